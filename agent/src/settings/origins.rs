//! Where each setting came from.

/// Takes the flag, or the file's value, or the default, and remembers which.
pub(super) struct Origins {
    pub(super) file: String,
    pub(super) list: Vec<(&'static str, String, String)>,
}

impl Origins {
    pub(super) fn pick<T>(
        &mut self,
        key: &'static str,
        flag: Option<T>,
        file: Option<T>,
        default: impl FnOnce() -> T,
        show: impl FnOnce(&T) -> String,
    ) -> T {
        let (value, origin) = match (flag, file) {
            (Some(value), _) => (value, format!("--{}", flag_name(key))),
            (None, Some(value)) => (value, self.file.clone()),
            (None, None) => (default(), "default".to_owned()),
        };
        self.list.push((key, show(&value), origin));
        value
    }

    pub(super) fn of(&self, key: &str) -> String {
        let found = self.list.iter().find(|(known, ..)| *known == key);
        found.map(|(.., origin)| origin.clone()).unwrap_or_default()
    }
}

fn flag_name(key: &str) -> String {
    if key == "interfaces" {
        "interface".to_owned()
    } else {
        key.replace('_', "-")
    }
}
