//! Asking in rounds: what to ask, whom to believe, when it is enough. No I/O, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use dtx_proto_types::discovery::{DatagramError, Filter, Mark, Query, Reply, Shard};
use dtx_proto_types::id::{InstanceId, QueryId};
use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::node::NodeName;

use super::event::Heard;
use super::loss::Loss;
use super::options::Options;
use super::patience;

/// Most rounds of one discovery.
pub(super) const ROUNDS_MAX: usize = 6;
/// Agents already heard that are asked again in each round: whether they answer shows how much
/// gets lost.
const PROBES: usize = 32;
/// Where so many are expected and not one answers, asking twice says that nothing gets through.
const EXPECTED_FEW: usize = 4;
/// Agents that may answer from one address: a lab has many on one machine, a flood has more.
const AGENTS_PER_ADDRESS: u32 = 1024;
/// Agents under one name, and addresses of one agent, that are told.
const AGENTS_PER_NAME: u32 = 8;
const ADDRESSES_PER_AGENT: usize = 8;

/// All that an agent says of itself. Two that differ in anything are two.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Identity {
    instance: InstanceId,
    node: NodeName,
    fingerprint: Fingerprint,
}

#[derive(Debug)]
struct Agent {
    addresses: BTreeSet<SocketAddr>,
    /// The last round that it answered, from 1.
    answered: usize,
}

#[derive(Debug)]
struct Round {
    id: QueryId,
    sent_at: Instant,
    spread: Duration,
    /// How long after its slot the latest answer came.
    latest: Option<Duration>,
    /// Whether it brought an agent that was not known.
    news: bool,
    probes: Vec<Identity>,
}

/// The state of a discovery.
#[derive(Debug)]
pub(super) struct Rounds {
    options: Options,
    rounds: Vec<Round>,
    agents: BTreeMap<Identity, Agent>,
    agents_by_name: BTreeMap<NodeName, u32>,
    agents_by_address: BTreeMap<IpAddr, u32>,
    new_names: usize,
    /// Whether every expected node is known to be there, be it by other means than an answer.
    all_here: bool,
    loss: Loss,
    drops: u64,
    ignored: u64,
}

impl Rounds {
    pub(super) const fn new(options: Options) -> Self {
        Self {
            options,
            rounds: Vec::new(),
            agents: BTreeMap::new(),
            agents_by_name: BTreeMap::new(),
            agents_by_address: BTreeMap::new(),
            new_names: 0,
            all_here: false,
            loss: Loss::NONE,
            drops: 0,
            ignored: 0,
        }
    }

    /// Most events that a discovery under these options can tell.
    pub(super) fn events_max(options: &Options) -> usize {
        let names = options.expected.len().saturating_add(options.new_max);
        let agents = names.saturating_mul(2).saturating_add(1024);
        agents.min(1 << 20)
    }

    /// Begins a round under an id that nobody could foresee; the datagrams to send on every
    /// interface.
    ///
    /// # Errors
    ///
    /// A cluster name that fits into no datagram.
    pub(super) fn begin(
        &mut self,
        id: QueryId,
        now: Instant,
    ) -> Result<Vec<Vec<u8>>, DatagramError> {
        let mut marked: Vec<(Mark, &Identity)> = self
            .agents
            .keys()
            .map(|identity| (Mark::of(id, identity.instance), identity))
            .collect();
        // The slots of a new round are a shuffle.
        marked.sort_by_key(|(mark, _)| mark.slot(Duration::from_secs(1)));
        let (probes, heard) = marked.split_at(PROBES.min(marked.len()));
        let probes: Vec<Identity> = probes
            .iter()
            .map(|(_, identity)| (*identity).clone())
            .collect();
        let spread = patience::spread(self.answers_expected(probes.len()));
        let datagrams = self.datagrams(id, spread, heard)?;
        self.rounds.push(Round {
            id,
            sent_at: now,
            spread,
            latest: None,
            news: false,
            probes,
        });
        Ok(datagrams)
    }

    /// Takes the round that was begun last back: none of its datagrams could leave.
    pub(super) fn withdraw(&mut self) {
        self.rounds.pop();
    }

    fn datagrams(
        &self,
        id: QueryId,
        spread: Duration,
        heard: &[(Mark, &Identity)],
    ) -> Result<Vec<Vec<u8>>, DatagramError> {
        let cluster = &self.options.cluster;
        let population = self.population().max(self.agents.len());
        Shard::covering(heard.len())
            .map(|shard| {
                let marks: Vec<Mark> = heard
                    .iter()
                    .filter(|(_, identity)| shard.has(identity.instance))
                    .map(|(mark, _)| *mark)
                    .collect();
                let query = Query {
                    id,
                    cluster: cluster.clone(),
                    population: u32::try_from(population).unwrap_or(u32::MAX),
                    shard,
                    spread,
                    heard: Filter::of(&marks, Query::filter_room(cluster)),
                };
                query.encode()
            })
            .collect()
    }

    fn population(&self) -> usize {
        self.options.expected.len().max(self.options.population)
    }

    /// How many answers the next round may bring, if there is anything to tell by.
    fn answers_expected(&self, probes: usize) -> Option<usize> {
        let begun = u32::try_from(self.rounds.len()).unwrap_or(u32::MAX);
        if begun == 0 {
            return Some(self.population()).filter(|population| *population > 0);
        }
        let guess = self.loss.unheard(self.agents.len(), begun);
        let dropped = usize::try_from(self.drops).unwrap_or(usize::MAX);
        let missing = self.missing().count();
        Some(
            missing
                .saturating_add(probes + guess)
                .saturating_add(dropped),
        )
    }

    fn missing(&self) -> impl Iterator<Item = &NodeName> {
        let heard = &self.agents_by_name;
        let expected = self.options.expected.iter();
        expected.filter(|name| !heard.contains_key(*name))
    }

    /// Takes an answer in. What is new about it, if anything.
    pub(super) fn hear(
        &mut self,
        reply: Reply,
        source: SocketAddr,
        interface: &str,
        now: Instant,
    ) -> Option<Heard> {
        let number = self.rounds.iter().rposition(|round| round.id == reply.id)?;
        if reply.cluster != self.options.cluster {
            return None;
        }
        let mut address = source;
        address.set_port(reply.port);
        let identity = Identity {
            instance: reply.instance,
            node: reply.node,
            fingerprint: reply.fingerprint,
        };
        if !self.admit(&identity, address, number + 1) {
            return None;
        }
        self.measure(number, identity.instance, now);
        let agent = self.agents.get_mut(&identity)?;
        agent.answered = agent.answered.max(number + 1);
        if agent.addresses.contains(&address) || agent.addresses.len() >= ADDRESSES_PER_AGENT {
            return None;
        }
        agent.addresses.insert(address);
        Some(Heard {
            node: identity.node,
            address,
            fingerprint: identity.fingerprint,
            instance: identity.instance,
            versions: reply.versions,
            interface: interface.to_owned(),
        })
    }

    /// Whether the agent is known, or may become known.
    fn admit(&mut self, identity: &Identity, address: SocketAddr, number: usize) -> bool {
        if self.agents.contains_key(identity) {
            return true;
        }
        let expected = self.options.expected.contains(&identity.node);
        let of_name = self
            .agents_by_name
            .get(&identity.node)
            .copied()
            .unwrap_or(0);
        let by_address = &mut self.agents_by_address;
        let of_address = by_address.get(&address.ip()).copied().unwrap_or(0);
        let is_new_name = of_name == 0 && !expected;
        if (is_new_name && self.new_names >= self.options.new_max)
            || of_name >= AGENTS_PER_NAME
            || of_address >= AGENTS_PER_ADDRESS
        {
            self.ignored += 1;
            return false;
        }
        by_address.insert(address.ip(), of_address + 1);
        self.new_names += usize::from(is_new_name);
        self.agents_by_name
            .insert(identity.node.clone(), of_name + 1);
        let agent = Agent {
            addresses: BTreeSet::new(),
            answered: number,
        };
        self.agents.insert(identity.clone(), agent);
        if let Some(round) = self.rounds.last_mut() {
            round.news = true;
        }
        if let (true, Ok(asked)) = (number > 1, u32::try_from(number)) {
            self.loss.count(asked, asked - 1);
        }
        true
    }

    /// How late the answer is. Its slot is known: both sides draw it from the same hash.
    fn measure(&mut self, number: usize, instance: InstanceId, now: Instant) {
        let Some(round) = self.rounds.get(number) else {
            return;
        };
        let slot = Mark::of(round.id, instance).slot(round.spread);
        let late = now.saturating_duration_since(round.sent_at + slot);
        if let Some(current) = self.rounds.last_mut() {
            current.latest = current.latest.max(Some(late));
        }
    }

    /// Every expected node has shown that it is there.
    pub(super) const fn all_here(&mut self) {
        self.all_here = true;
    }

    /// Whether nobody is missing and nobody is new: then the rest of the round is for newcomers.
    fn is_as_expected(&self) -> bool {
        let complete = self.all_here || self.missing().next().is_none();
        complete && self.new_names == 0 && !self.agents.is_empty()
    }

    /// When the current round is over, unless more answers come.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        let round = self.rounds.last()?;
        let wait = match round.latest {
            Some(latest) if self.rounds.len() == 1 && self.is_as_expected() => {
                patience::wait_for_newcomers(latest)
            }
            _ if self.insists() => patience::WAIT_UNKNOWN,
            latest => patience::wait(latest),
        };
        Some(round.sent_at + round.spread + wait)
    }

    /// Draws the conclusions from a round that is over, with the answers that the kernel had to
    /// drop in it. Whether the discovery is finished.
    pub(super) fn conclude(&mut self, drops: u64) -> bool {
        self.drops = drops;
        let number = self.rounds.len();
        let Some(round) = self.rounds.last() else {
            return true;
        };
        for probe in &round.probes {
            let answered = self
                .agents
                .get(probe)
                .is_some_and(|agent| agent.answered == number);
            self.loss.count(1, u32::from(!answered));
        }
        number >= ROUNDS_MAX || (drops == 0 && self.is_enough(number, round.news))
    }

    /// Whether somebody is missing whom nothing else can find.
    fn insists(&self) -> bool {
        self.options.insist && self.missing().next().is_some()
    }

    fn is_enough(&self, number: usize, news: bool) -> bool {
        if self.insists() {
            return false;
        }
        if number == 1 {
            return self.is_as_expected();
        }
        if self.agents.is_empty() {
            return number > 2 || self.options.expected.len() >= EXPECTED_FEW;
        }
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        !news && self.loss.is_enough(number)
    }

    /// Rounds begun.
    pub(super) fn begun(&self) -> u32 {
        u32::try_from(self.rounds.len()).unwrap_or(u32::MAX)
    }

    /// Answers that no room was left for.
    pub(super) const fn ignored(&self) -> u64 {
        self.ignored
    }
}
