//! The order in which people expect names: `n2` before `n10`.

use std::cmp::Ordering;

/// Compares names as people do: runs of digits by their width, then by their value, and before
/// all other characters. So `n2` comes before `n10`, and `n10` before `n002`, as `ClusterShell`
/// has it.
#[must_use]
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (Some((first_a, rest_of_a)), Some((first_b, rest_of_b))) =
            (a.split_first(), b.split_first())
        else {
            return a.len().cmp(&b.len());
        };
        let order = match (digits(a), digits(b)) {
            (0, 0) => {
                (a, b) = (rest_of_a, rest_of_b);
                first_a.cmp(first_b)
            }
            (0, _) => Ordering::Greater,
            (_, 0) => Ordering::Less,
            (of_a, of_b) => {
                let (number_a, rest_of_a) = a.split_at(of_a);
                let (number_b, rest_of_b) = b.split_at(of_b);
                (a, b) = (rest_of_a, rest_of_b);
                of_a.cmp(&of_b).then_with(|| number_a.cmp(number_b))
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// How many digits stand at the beginning.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_first() {
        let sorted = [
            "",
            "1",
            "2",
            "02",
            "10",
            "N1",
            "n",
            "n1",
            "n1-9",
            "n1-10",
            "n1a",
            "n2",
            "n9",
            "n01",
            "n02",
            "n10",
            "n002",
            "n99999999999999999999999999",
            "n99999999999999999999999999a",
            "n-1",
            "na",
            "web9-b",
            "web10-a",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(natural_cmp(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }
}
