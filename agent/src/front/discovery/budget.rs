//! How much an agent answers, whoever asks.

use std::net::IpAddr;
use std::time::Instant;

use dtx_proto_types::id::InstanceId;

/// Answers in a second to one address, and how many at once. A discovery asks at most six times
/// in each family; scripts that run dtx in a loop need some more.
const SOURCE: Rate = Rate {
    per_second: 20.0,
    burst: 40.0,
};
/// Answers in a second in all, and how many at once.
const ALL: Rate = Rate {
    per_second: 50.0,
    burst: 50.0,
};
/// Addresses share this many buckets: memory stays the same however many ask.
const BUCKETS: usize = 256;

struct Rate {
    per_second: f64,
    burst: f64,
}

/// A token bucket, filled by time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn refill(&mut self, rate: &Rate, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * rate.per_second).min(rate.burst);
        self.at = now;
    }
}

/// What may still be sent.
#[derive(Debug)]
pub(super) struct Budget {
    all: Bucket,
    sources: Vec<Bucket>,
    /// Nobody can choose another's bucket without knowing this.
    secret: InstanceId,
}

impl Budget {
    pub(super) fn new(secret: InstanceId, now: Instant) -> Self {
        let full = |rate: Rate| Bucket {
            tokens: rate.burst,
            at: now,
        };
        Self {
            all: full(ALL),
            sources: vec![full(SOURCE); BUCKETS],
            secret,
        }
    }

    /// Whether one more answer may go to this address; if so it is counted.
    pub(super) fn take(&mut self, source: IpAddr, now: Instant) -> bool {
        let at = self.bucket_of(source);
        let Some(own) = self.sources.get_mut(at) else {
            return false;
        };
        own.refill(&SOURCE, now);
        self.all.refill(&ALL, now);
        if own.tokens < 1.0 || self.all.tokens < 1.0 {
            return false;
        }
        own.tokens -= 1.0;
        self.all.tokens -= 1.0;
        true
    }

    fn bucket_of(&self, source: IpAddr) -> usize {
        let mut input = [0; 32];
        input[..16].copy_from_slice(self.secret.as_bytes());
        let address = match source {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        input[16..].copy_from_slice(&address.octets());
        usize::from(blake3::hash(&input).as_bytes()[0]) % BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_source_and_all_of_them() {
        let start = Instant::now();
        let mut budget = Budget::new(InstanceId::from_bytes([1; 16]), start);
        let source = |n: u8| IpAddr::from([10, 0, 0, n]);
        let taken = |budget: &mut Budget, source, now| {
            (0..1_000).filter(|_| budget.take(source, now)).count()
        };
        assert_eq!(taken(&mut budget, source(1), start), 40);
        // Nine of ten others stand elsewhere; all together are bounded.
        let others: usize = (2..200).map(|n| taken(&mut budget, source(n), start)).sum();
        assert_eq!(others, 10);
        let later = start + Duration::from_secs(1);
        assert_eq!(taken(&mut budget, source(1), later), 20);
        // A clock that stands still or jumps back fills nothing.
        assert_eq!(taken(&mut budget, source(1), start), 0);
        let minute = start + Duration::from_secs(60);
        let all: usize = (0..200)
            .map(|n| taken(&mut budget, source(n), minute))
            .sum();
        assert_eq!(all, 50);
    }
}
