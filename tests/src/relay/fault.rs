//! What a relay may do to a connection.

use std::fmt;
use std::str::FromStr;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the operator to the agent.
    Up,
    /// From the agent to the operator.
    Down,
}

/// One fault, for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Both sides are closed once so many bytes have passed this way.
    Cut(Direction, u64),
    /// The lowest bit of the byte at this position is inverted.
    Flip(Direction, u64),
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(direction, at) => write!(f, "cut {direction} {at}"),
            Self::Flip(direction, at) => write!(f, "flip {direction} {at}"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, direction, at] = words.as_slice() else {
            return Err(format!("not a fault: {line}"));
        };
        let direction = match *direction {
            "up" => Direction::Up,
            "down" => Direction::Down,
            other => return Err(format!("not a direction: {other}")),
        };
        let at = at.parse().map_err(|error| format!("{at}: {error}"))?;
        match *kind {
            "cut" => Ok(Self::Cut(direction, at)),
            "flip" => Ok(Self::Flip(direction, at)),
            other => Err(format!("not a fault: {other}")),
        }
    }
}

impl Fault {
    /// Applies it to a run of bytes that starts at `offset` of its direction. Returns how many of
    /// them may pass before the connection is cut, if it is cut here.
    pub(super) fn apply(
        self,
        direction: Direction,
        offset: u64,
        bytes: &mut [u8],
    ) -> Option<usize> {
        let end = offset + bytes.len() as u64;
        match self {
            Self::Flip(way, at) if way == direction && (offset..end).contains(&at) => {
                let index = usize::try_from(at - offset).unwrap_or(0);
                bytes[index] ^= 1;
                None
            }
            Self::Cut(way, at) if way == direction && end >= at => {
                usize::try_from(at.saturating_sub(offset)).ok()
            }
            Self::Flip(..) | Self::Cut(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_strike_where_they_should() {
        let mut bytes = [0; 4];
        assert_eq!(
            Fault::Flip(Direction::Up, 12).apply(Direction::Up, 10, &mut bytes),
            None
        );
        assert_eq!(bytes, [0, 0, 1, 0]);
        assert_eq!(
            Fault::Flip(Direction::Up, 14).apply(Direction::Up, 10, &mut bytes),
            None
        );
        assert_eq!(
            Fault::Flip(Direction::Up, 12).apply(Direction::Down, 10, &mut bytes),
            None
        );
        assert_eq!(bytes, [0, 0, 1, 0]);
        let cut = Fault::Cut(Direction::Down, 12);
        assert_eq!(cut.apply(Direction::Down, 10, &mut bytes), Some(2));
        assert_eq!(cut.apply(Direction::Down, 8, &mut bytes), Some(4));
        assert_eq!(cut.apply(Direction::Down, 7, &mut bytes), None);
        assert_eq!(cut.apply(Direction::Up, 10, &mut bytes), None);
    }

    #[test]
    fn faults_are_written_and_read() {
        for fault in [
            Fault::Cut(Direction::Up, 7),
            Fault::Flip(Direction::Down, 0),
        ] {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        assert!("cut sideways 1".parse::<Fault>().is_err());
    }
}
