//! Sizes in bytes.

use std::fmt;

use super::number::{decimal, parse_scaled, split_unit};

/// Units of a thousand and of 1,024, in bytes.
const UNITS: [(&str, u64); 9] = [
    ("b", 1),
    ("kb", 1000),
    ("mb", 1000 * 1000),
    ("gb", 1000 * 1000 * 1000),
    ("tb", 1000 * 1000 * 1000 * 1000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// The text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSize {
    /// Not of the form that is accepted.
    #[error(
        "{0:?} is not a size: write 512, 64KiB, 10MB, 16MiB or 2GiB; a number without a unit is bytes"
    )]
    Form(String),
    /// More bytes than can be counted.
    #[error("{0:?} is too large a size: 8388607TiB at most")]
    TooLarge(String),
}

/// Reads `64KiB`, `10MB`, `16MiB`, `1.5GiB`; a number without a unit is bytes. Units are `B`,
/// `KB` to `TB` of a thousand and `KiB` to `TiB` of 1,024, in any case.
///
/// # Errors
///
/// Says what is accepted.
pub fn parse_size(text: &str) -> Result<u64, InvalidSize> {
    let form = || InvalidSize::Form(text.to_owned());
    let (number, unit) = split_unit(text.trim());
    let bytes = match unit {
        "" => 1,
        unit => {
            let known = |(name, _): &&(&str, u64)| name.eq_ignore_ascii_case(unit);
            UNITS.iter().find(known).ok_or_else(form)?.1
        }
    };
    if bytes == 1 && number.contains('.') {
        return Err(form());
    }
    let size = parse_scaled(number, bytes).ok_or_else(form)?;
    // The largest size fits an `i64` too, as files, limits and TOML count.
    i64::try_from(size)
        .ok()
        .and_then(|size| u64::try_from(size).ok())
        .ok_or_else(|| InvalidSize::TooLarge(text.to_owned()))
}

/// A size for people: `512 B`, `64 KiB`, `1.5 GiB`. [`parse_size`] reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HumanSize(pub u64);

impl fmt::Display for HumanSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LADDER: [(&str, u64); 4] = [
            ("TiB", 1 << 40),
            ("GiB", 1 << 30),
            ("MiB", 1 << 20),
            ("KiB", 1 << 10),
        ];
        let step = LADDER.iter().find(|(_, unit)| self.0 >= *unit);
        let text = match step {
            Some((name, unit)) => {
                format!("{} {name}", decimal(self.0.into(), (*unit).into(), 1))
            }
            None => format!("{} B", self.0),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_are_accepted() {
        for (text, size) in [
            ("0", 0),
            ("512", 512),
            ("512B", 512),
            ("64KiB", 65_536),
            ("64kib", 65_536),
            ("10MB", 10_000_000),
            ("10kB", 10_000),
            ("16MiB", 16 << 20),
            (" 16 MiB ", 16 << 20),
            ("1.5GiB", 3 << 29),
            ("2TiB", 2 << 40),
            ("3TB", 3_000_000_000_000),
            ("8388607TiB", 8_388_607 << 40),
        ] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
    }

    #[test]
    fn sizes_that_are_not() {
        for text in [
            "", "-1", "+1", "B", "1.5", "1.5B", "1K", "1M", "10 MB 5", "1e6", "1,000", "0x10",
            "1PiB", ".5MiB", "1.MiB", "10MBit",
        ] {
            let error = parse_size(text).unwrap_err();
            assert_eq!(error, InvalidSize::Form(text.to_owned()), "{text}");
            assert!(error.to_string().contains("write 512, 64KiB"));
        }
        for text in ["8388608TiB", "999999999999999999GiB"] {
            let error = parse_size(text).unwrap_err();
            assert_eq!(error, InvalidSize::TooLarge(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn sizes_for_people() {
        for (size, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (16 << 20, "16 MiB"),
            (10_000_000, "9.5 MiB"),
            (3 << 29, "1.5 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(HumanSize(size).to_string(), text);
        }
    }
}
