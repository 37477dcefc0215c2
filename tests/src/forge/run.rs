//! All forgeries, one after the other.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;

use dtx_proto_types::grant::SignedGrant;
use dtx_proto_types::job::Body;

use super::grants;
use super::jobs::{self, Honest};
use super::link::{Answer, Link, Opened};
use super::operator::{Operator, job, session_key, sign};
use crate::dice::Dice;

/// A grant's life, in milliseconds, where its end is waited for.
const SHORT_LIFE: u64 = 1_500;

/// Shows `n1` and `n2`, at these addresses, everything forged, and says on standard output what
/// each was told. Honest jobs in between have marks that begin with `honest`.
///
/// # Errors
///
/// If a connection breaks where it should not.
pub fn forge(n1: &str, n2: &str) -> io::Result<ExitCode> {
    let parse = |text: &str| text.parse::<SocketAddr>().map_err(io::Error::other);
    let mut forger = Forger {
        n1: parse(n1)?,
        n2: parse(n2)?,
        dice: Dice::new(2),
    };
    forger.grants()?;
    forger.jobs()?;
    forger.replays()?;
    forger.expiry()?;
    Ok(ExitCode::SUCCESS)
}

struct Forger {
    n1: SocketAddr,
    n2: SocketAddr,
    dice: Dice,
}

fn tell(name: &str, what: &str) {
    println!("{name}\t{}", what.replace('\n', " "));
}

impl Forger {
    /// Each grant, and under it a job: a grant that is only too old opens a session all the same,
    /// because a job that runs may be taken up again without.
    fn grants(&mut self) -> io::Result<()> {
        for forged in grants::all(&mut self.dice) {
            let opened = Link::open(self.n1, &forged.session, &forged.grant)
                .map_err(|error| io::Error::other(format!("{}: {error}", forged.name)))?;
            match opened {
                Opened::Refused(text) => tell(&forged.name, &format!("refused: {text}")),
                Opened::Session(mut link) => {
                    let spec = job(&forged.name, &["n1"], &mut self.dice);
                    let answer = link.run(1, &sign(&forged.session, &spec))?;
                    report(&forged.name, &answer);
                }
            }
        }
        Ok(())
    }

    fn jobs(&mut self) -> io::Result<()> {
        let honest = Honest::new(&mut self.dice);
        for forged in jobs::all(&honest, &mut self.dice) {
            let mut link = open(self.n1, &honest)?;
            let answer = link.run(1, &forged.job)?;
            report(&forged.name, &answer);
        }
        Ok(())
    }

    fn replays(&mut self) -> io::Result<()> {
        for turn in 0..4 {
            let honest = Honest::new(&mut self.dice);
            let mark = format!("honest-{turn}");
            let spec = job(&mark, &["n1"], &mut self.dice);
            let signed = sign(&honest.session, &spec);
            let mut link = open(self.n1, &honest)?;
            tell(&mark, &format!("{:?}", link.run(1, &signed)?));
            report("replay-same-session", &link.run(2, &signed)?);
            // The same id with other contents, and the same contents in another's name.
            let mut other = spec.clone();
            other.body = Body::Shell(format!("echo replay-{turn} >> /tmp/starts"));
            report(
                "replay-other-contents",
                &link.run(3, &sign(&honest.session, &other))?,
            );
            let mut later = spec.clone();
            later.issued_ms += 1;
            report(
                "replay-signed-again",
                &link.run(4, &sign(&honest.session, &later))?,
            );
            drop(link);
            let mut again = open(self.n1, &honest)?;
            report("replay-next-session", &again.run(1, &signed)?);
            let thief = Honest::new(&mut self.dice);
            report(
                "replay-other-session",
                &open(self.n1, &thief)?.run(1, &signed)?,
            );
            report(
                "replay-other-node",
                &open(self.n2, &honest)?.run(1, &signed)?,
            );
        }
        Ok(())
    }

    /// A grant that ends while its session lives starts nothing any more.
    fn expiry(&mut self) -> io::Result<()> {
        let operator = Operator::known();
        let session = session_key(&mut self.dice);
        let mut draft = operator.draft(&session, &mut self.dice);
        draft.expires_ms = draft.issued_ms + SHORT_LIFE;
        // Where no clock can be trusted, the life counts from when the node first saw the grant.
        let end = draft.expires_ms + SHORT_LIFE;
        let honest = Honest {
            grant: operator.sign(&draft),
            session,
        };
        let mut link = open(self.n1, &honest)?;
        let before = job("honest-before-the-end", &["n1"], &mut self.dice);
        let answer = link.run(1, &sign(&honest.session, &before))?;
        tell("honest-before-the-end", &format!("{answer:?}"));
        while super::operator::now() <= end {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let after = job("job-after-the-end", &["n1"], &mut self.dice);
        report(
            "job-after-the-end",
            &link.run(2, &sign(&honest.session, &after))?,
        );
        Ok(())
    }
}

fn open(address: SocketAddr, honest: &Honest) -> io::Result<Link> {
    let grant: &SignedGrant = &honest.grant;
    match Link::open(address, &honest.session, grant)? {
        Opened::Session(link) => Ok(*link),
        Opened::Refused(text) => Err(io::Error::other(format!("an honest grant: {text}"))),
    }
}

fn report(name: &str, answer: &Answer) {
    match answer {
        Answer::Refused(text) => tell(name, &format!("refused: {text}")),
        Answer::Ended(ending) => tell(name, &format!("ended: {ending}")),
    }
}
