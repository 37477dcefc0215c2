//! Operators by number, and how many jobs of each are remembered.

use std::collections::BTreeMap;

use dtx_proto_types::key::Fingerprint;

/// Those of whom jobs are remembered. A number is given anew when the last of them is forgotten.
#[derive(Debug, Default)]
pub(super) struct Operators {
    numbers: BTreeMap<Fingerprint, u32>,
    /// By number: who, and of how many jobs.
    held: BTreeMap<u32, (Fingerprint, usize)>,
}

impl Operators {
    pub(super) fn number(&self, operator: Fingerprint) -> Option<u32> {
        self.numbers.get(&operator).copied()
    }

    pub(super) fn fingerprint(&self, number: u32) -> Option<Fingerprint> {
        self.held.get(&number).map(|(operator, _)| *operator)
    }

    /// How many jobs of an operator are remembered.
    pub(super) fn jobs(&self, operator: Fingerprint) -> usize {
        let number = self.number(operator);
        let held = number.and_then(|number| self.held.get(&number));
        held.map_or(0, |(_, jobs)| *jobs)
    }

    /// One more job of this operator is remembered. Returns its number.
    pub(super) fn hold(&mut self, operator: Fingerprint) -> u32 {
        let number = self.number(operator).unwrap_or_else(|| self.free());
        self.numbers.insert(operator, number);
        self.held.entry(number).or_insert((operator, 0)).1 += 1;
        number
    }

    /// One job of this operator is forgotten.
    pub(super) fn release(&mut self, number: u32) {
        let Some((operator, jobs)) = self.held.get_mut(&number) else {
            return;
        };
        *jobs -= 1;
        if *jobs == 0 {
            self.numbers.remove(operator);
            self.held.remove(&number);
        }
    }

    /// A number that nobody has. There are fewer operators than jobs, and those fit.
    fn free(&self) -> u32 {
        let last = self.held.last_key_value();
        let next = last.map_or(Some(0), |(last, _)| last.checked_add(1));
        next.or_else(|| (0..u32::MAX).find(|number| !self.held.contains_key(number)))
            .unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_come_and_go() {
        let mut operators = Operators::default();
        let [a, b] = [1, 2].map(|byte| Fingerprint::from_bytes([byte; 32]));
        let number = operators.hold(a);
        assert_eq!(operators.hold(a), number);
        let other = operators.hold(b);
        assert_ne!(other, number);
        assert_eq!((operators.jobs(a), operators.jobs(b)), (2, 1));
        operators.release(number);
        assert_eq!(operators.fingerprint(number), Some(a));
        operators.release(number);
        operators.release(number);
        assert_eq!((operators.number(a), operators.jobs(a)), (None, 0));
        assert_eq!(operators.fingerprint(number), None);
        operators.held.insert(u32::MAX, (a, 1));
        assert_eq!(operators.hold(Fingerprint::from_bytes([3; 32])), 0);
        assert_eq!(operators.fingerprint(other), Some(b));
    }
}
