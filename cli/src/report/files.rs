//! `--outdir`, `--errdir`: one file for each node.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use dtx_client::fanout::event::{RunEvent, Stream, What};
use dtx_proto_types::node::NodeName;

use super::Reporter;

/// Writes one stream of every node to a file of the node's name, byte for byte, as it comes.
///
/// Every node of the run has its file, however it ended, so that none is left from an earlier run.
/// A node's name is a safe file name by its type.
#[derive(Debug)]
pub struct Files {
    stream: Stream,
    directory: PathBuf,
    // The file that was written to last: a node that writes much writes to it again and again,
    // and hundreds of files at once would use up the descriptors that sessions need.
    last: Option<(PathBuf, File)>,
}

impl Files {
    /// Creates the directory, if need be.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub fn create(directory: &Path, stream: Stream) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self {
            stream,
            directory: directory.to_owned(),
            last: None,
        })
    }

    fn empty(&mut self, node: &NodeName) -> io::Result<()> {
        self.last = None;
        let path = self.directory.join(node.as_str());
        File::create(&path)
            .map(drop)
            .map_err(|error| name_file(&path, error))
    }

    fn append(&mut self, path: PathBuf, bytes: &[u8]) -> io::Result<()> {
        match &mut self.last {
            Some((last, file)) if *last == path => file.write_all(bytes),
            _ => {
                let mut file = OpenOptions::new().append(true).open(&path)?;
                file.write_all(bytes)?;
                self.last = Some((path, file));
                Ok(())
            }
        }
    }
}

impl Reporter for Files {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match &event.what {
            What::RunStarted { nodes, .. } => {
                for node in nodes {
                    self.empty(node)?;
                }
                Ok(())
            }
            What::Output {
                node,
                stream,
                bytes,
            } if *stream == self.stream => {
                let path = self.directory.join(node.as_str());
                self.append(path.clone(), bytes)
                    .map_err(|error| name_file(&path, error))
            }
            // What an attempt wrote that is tried again is not the node's result.
            What::NodeRetrying { node, .. } => self.empty(node),
            What::RunFinished => {
                self.last = None;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn name_file(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
