//! Values with a form of their own.

use std::str::FromStr;

/// `KEY=VALUE`, an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some(("", _)) => Err("a variable needs a name before the `=`".to_owned()),
            Some((name, value)) => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            None => Err(format!("write {text}=VALUE")),
        }
    }
}

/// A size where 0 means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteLimit(pub Option<u64>);

impl FromStr for ByteLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = dtx_proto_types::units::parse_size(text).map_err(|error| error.to_string())?;
        Ok(Self((bytes > 0).then_some(bytes)))
    }
}
