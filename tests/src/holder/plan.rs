//! What a lab shall look like, and the descriptors by which its parts are found.

use std::path::PathBuf;

use serde_json::{Value, json};

/// One host to be.
#[derive(Debug, Clone)]
pub struct HostPlan {
    /// Its host name.
    pub name: String,
    /// Its IPv4 address, in a /16.
    pub ipv4: String,
    /// Its IPv6 address, in a /64.
    pub ipv6: String,
}

/// A lab to be. Host 0 is the operator's.
#[derive(Debug, Clone)]
pub struct Plan {
    /// An empty directory for mounts.
    pub scratch: PathBuf,
    /// Files to bind into every host: from, to.
    pub binaries: Vec<(PathBuf, String)>,
    /// The hosts.
    pub hosts: Vec<HostPlan>,
    /// Whether the bridge snoops on multicast memberships.
    pub snooping: bool,
    /// Whether the lab lives in a user namespace.
    pub user_namespace: bool,
}

/// Descriptors of the holder that lead to a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// Its network namespace.
    pub net: i32,
    /// Its mount namespace.
    pub mnt: i32,
    /// Its host name's namespace.
    pub uts: i32,
    /// Its root directory.
    pub root: i32,
}

impl Plan {
    /// As one line of text.
    #[must_use]
    pub fn to_line(&self) -> String {
        let hosts: Vec<Value> = self
            .hosts
            .iter()
            .map(|host| json!([host.name, host.ipv4, host.ipv6]))
            .collect();
        let binaries: Vec<Value> = self
            .binaries
            .iter()
            .map(|(from, to)| json!([from, to]))
            .collect();
        json!({
            "scratch": self.scratch,
            "binaries": binaries,
            "hosts": hosts,
            "snooping": self.snooping,
            "user_namespace": self.user_namespace,
        })
        .to_string()
    }

    /// From one line of text.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let host = |host: &Value| {
            Some(HostPlan {
                name: text(&host[0])?,
                ipv4: text(&host[1])?,
                ipv6: text(&host[2])?,
            })
        };
        let binary = |pair: &Value| Some((PathBuf::from(text(&pair[0])?), text(&pair[1])?));
        Some(Self {
            scratch: PathBuf::from(text(&value["scratch"])?),
            binaries: list(&value["binaries"], binary)?,
            hosts: list(&value["hosts"], host)?,
            snooping: value["snooping"].as_bool()?,
            user_namespace: value["user_namespace"].as_bool()?,
        })
    }
}

impl Keys {
    /// As a line's part.
    #[must_use]
    pub fn to_value(self) -> Value {
        json!([self.net, self.mnt, self.uts, self.root])
    }

    /// From a line's part.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        let number = |index: usize| i32::try_from(value[index].as_i64()?).ok();
        Some(Self {
            net: number(0)?,
            mnt: number(1)?,
            uts: number(2)?,
            root: number(3)?,
        })
    }
}

fn list<T>(value: &Value, one: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.as_array()?.iter().map(one).collect()
}
