//! The file: records are appended whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use dtx_proto_types::id::JournalId;

use super::format::{self, HEADER_LEN, Next};
use super::record::Record;

/// A journal below this length is not worth rewriting.
const REWRITE_MIN: u64 = 256 * 1024;

/// An open journal file.
#[derive(Debug)]
pub(super) struct JournalFile {
    path: PathBuf,
    file: File,
    id: JournalId,
    /// Up to here the file is whole.
    length: u64,
    /// Its length after the last rewriting.
    rewritten: u64,
    /// A failed write could not be taken back: nothing more may follow it.
    broken: bool,
}

/// What was found where a journal should be.
#[derive(Debug)]
pub(super) enum Found {
    /// A journal, and what was cut off its end.
    Journal { file: JournalFile, cut: u64 },
    /// None.
    Nothing,
    /// Something that cannot be trusted.
    Damaged,
}

impl JournalFile {
    /// Begins a journal.
    pub(super) fn create(path: &Path, id: JournalId) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let header = format::header(id);
        if let Err(error) = file.write_all(&header) {
            // Half a header would be taken for damage.
            let _left = fs::remove_file(path);
            return Err(error);
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            id,
            length: header.len() as u64,
            rewritten: 0,
            broken: false,
        })
    }

    /// Opens what is there, and tells its records one by one. Those of a damaged one count for
    /// nothing.
    pub(super) fn open(path: &Path, tell: &mut dyn FnMut(Record)) -> io::Result<Found> {
        let file = match OpenOptions::new().read(true).append(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            other => other?,
        };
        let length = file.metadata()?.len();
        if length == 0 {
            fs::remove_file(path)?;
            return Ok(Found::Nothing);
        }
        let mut reader = BufReader::new(&file);
        let mut header = [0; HEADER_LEN];
        let id = match reader.read_exact(&mut header) {
            Ok(()) => format::read_header(&header),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        let Some(id) = id else {
            return Ok(Found::Damaged);
        };
        let mut whole = HEADER_LEN as u64;
        loop {
            match format::read_record(id, &mut reader)? {
                Next::Record(record, bytes) => {
                    tell(record);
                    whole += bytes.len() as u64;
                }
                Next::End => break,
                Next::Torn => {
                    file.set_len(whole)?;
                    break;
                }
                Next::Damaged => return Ok(Found::Damaged),
            }
        }
        Ok(Found::Journal {
            file: Self {
                path: path.to_owned(),
                file,
                id,
                length: whole,
                // So that the first look decides whether it pays.
                rewritten: 0,
                broken: false,
            },
            cut: length - whole,
        })
    }

    pub(super) const fn id(&self) -> JournalId {
        self.id
    }

    /// Appends one record with one `write`. What fails half-way is taken back.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other(
                "an earlier write failed half-way and could not be taken back; restart the agent",
            ));
        }
        let bytes = format::write_record(self.id, record)
            .ok_or_else(|| io::Error::other("a record is too large"))?;
        let written = match self.file.write(&bytes) {
            Ok(count) if count == bytes.len() => {
                self.length += bytes.len() as u64;
                return Ok(());
            }
            Ok(_) => Err(io::Error::from(io::ErrorKind::StorageFull)),
            Err(error) => Err(error),
        };
        self.broken = self.file.set_len(self.length).is_err();
        written
    }

    /// Whether much of the file may be about what need not be known any more.
    pub(super) const fn wants_rewriting(&self) -> bool {
        self.length > REWRITE_MIN && self.length / 2 > self.rewritten
    }

    /// Writes the records for which `wanted` holds into a new file and puts it in the place of
    /// this one, id and all. After an error this one goes on as it was.
    pub(super) fn rewrite(&mut self, wanted: &mut dyn FnMut(&Record) -> bool) -> io::Result<()> {
        let path = self.path.with_extension("new");
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let written = self.write_copy(&path, wanted).and_then(|new| {
            fs::rename(&path, &self.path)?;
            Ok(new)
        });
        match written {
            Ok(new) => {
                let Self { file, length, .. } = new;
                self.file = file;
                self.length = length;
                self.rewritten = length;
                self.broken = false;
                Ok(())
            }
            Err(error) => {
                let _left = fs::remove_file(&path);
                // Not again before it has grown as much once more.
                self.rewritten = self.length;
                Err(error)
            }
        }
    }

    fn write_copy(&self, path: &Path, wanted: &mut dyn FnMut(&Record) -> bool) -> io::Result<Self> {
        let mut new = Self::create(path, self.id)?;
        let mut reader = BufReader::new(File::open(&self.path)?.take(self.length));
        reader.read_exact(&mut [0; HEADER_LEN])?;
        let mut writer = BufWriter::new(&new.file);
        // Written only before something that is about it.
        let mut boot: Option<Vec<u8>> = None;
        loop {
            match format::read_record(self.id, &mut reader)? {
                Next::Record(Record::Boot { .. }, bytes) => boot = Some(bytes),
                Next::Record(record, bytes) => {
                    if wanted(&record) {
                        for bytes in boot.take().iter().chain([&bytes]) {
                            writer.write_all(bytes)?;
                            new.length += bytes.len() as u64;
                        }
                    }
                }
                Next::End => break,
                Next::Torn | Next::Damaged => {
                    return Err(io::Error::other(
                        "the journal was damaged while it was in use",
                    ));
                }
            }
        }
        // What is written from now on belongs to the present boot.
        if let Some(bytes) = boot {
            writer.write_all(&bytes)?;
            new.length += bytes.len() as u64;
        }
        writer.flush()?;
        drop(writer);
        Ok(new)
    }
}
