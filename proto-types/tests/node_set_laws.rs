//! Node sets: laws that hold for any set, and the time that a large one takes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use dtx_proto_types::node::{NodeName, NodeSet, fold_names};
use proptest::prelude::*;

/// A fixed shuffle, so that a failure can be repeated.
fn shuffle<T>(items: &mut [T]) {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    for end in (1..items.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let bound = u64::try_from(end + 1).expect("small");
        items.swap(
            end,
            usize::try_from((state >> 33) % bound).expect("less than the length"),
        );
    }
}

#[test]
fn a_hundred_thousand_shuffled_names_fold_in_time() {
    let mut texts: Vec<String> = (0..60_000)
        .filter(|number| number % 7 != 0)
        .flat_map(|number| {
            let rack = format!("r{}-n{:02}", number % 977, number % 4999);
            [format!("node{number}"), format!("node{number:06}"), rack]
        })
        .collect();
    texts.sort_unstable();
    texts.dedup();
    shuffle(&mut texts);
    texts.truncate(100_000);
    assert_eq!(texts.len(), 100_000);
    let text = texts.join(",");

    let begun = Instant::now();
    let set = NodeSet::parse(&text).unwrap();
    let folded = set.fold();
    let taken = begun.elapsed();

    assert_eq!(set.len(), 100_000);
    assert!(folded.len() < text.len());
    let again = NodeSet::parse(&folded).unwrap();
    assert!(again.has_same_nodes(&set));
    assert!(taken < Duration::from_secs(5), "{taken:?}");
}

fn any_name() -> impl Strategy<Value = NodeName> {
    prop_oneof![
        // Few different ones, so that ranges and tables come about.
        "(n|r)[0-9]{1,2}",
        "n0{0,2}[0-9]{1,2}",
        "r[0-2]-n[0-3](-ib)?",
        "x[0-1]y0?[0-2]z[0-2]",
        "10\\.0\\.[0-1]\\.[0-9]{1,2}",
        "[0-9]{1,19}",
        "[A-Za-z0-9_:%][A-Za-z0-9._:%-]{0,20}",
        "\\[2001:db8::[0-9a-f]{1,2}\\]:[0-9]{1,4}",
    ]
    .prop_map(|text| text.parse().expect("the patterns are names"))
}

fn any_set() -> impl Strategy<Value = Vec<NodeName>> {
    prop::collection::vec(any_name(), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn folded_text_names_the_same_nodes(names in any_set()) {
        let set: NodeSet = names.into_iter().collect();
        let folded = set.fold();
        if set.is_empty() {
            prop_assert_eq!(folded, "");
        } else {
            let again = NodeSet::parse(&folded)
                .map_err(|error| TestCaseError::fail(format!("{folded}: {error}")))?;
            prop_assert!(again.has_same_nodes(&set), "{}", folded);
            prop_assert_eq!(again.len(), set.len());
            prop_assert_eq!(again.fold(), folded);
        }
    }

    #[test]
    fn folding_does_not_see_the_order(names in any_set()) {
        let folded = fold_names(&names);
        let mut shuffled = names.clone();
        shuffle(&mut shuffled);
        prop_assert_eq!(&fold_names(&shuffled), &folded);
        let twice: Vec<&NodeName> = names.iter().chain(&shuffled).collect();
        prop_assert_eq!(fold_names(twice), folded);
    }

    #[test]
    fn sets_agree_with_a_naive_model(a in any_set(), b in any_set(), victim in any_name()) {
        let mut set: NodeSet = a.iter().cloned().collect();
        let other: NodeSet = b.iter().cloned().collect();
        let mut model: BTreeSet<NodeName> = a.iter().cloned().collect();
        let other_model: BTreeSet<NodeName> = b.iter().cloned().collect();
        let agree = |set: &NodeSet, model: &BTreeSet<NodeName>| {
            set.len() == model.len()
                && set.is_empty() == model.is_empty()
                && set.iter().all(|name| model.contains(name))
                && model.iter().all(|name| set.contains(name))
                && set.iter().enumerate().all(|(at, name)| set.position(name) == Some(at))
        };
        prop_assert!(agree(&set, &model));

        // The order is that of the first mention.
        let mut seen = BTreeSet::new();
        let first: Vec<&NodeName> = a.iter().filter(|name| seen.insert(*name)).collect();
        prop_assert!(set.iter().eq(first.iter().copied()));

        let rest = &model - &other_model;
        let difference = set.difference(&other);
        prop_assert!(agree(&difference, &rest));
        let kept = first.iter().filter(|name| !other_model.contains(*name)).copied();
        prop_assert!(difference.iter().eq(kept));

        prop_assert_eq!(set.remove(&victim), model.remove(&victim));
        prop_assert!(agree(&set, &model));
        prop_assert_eq!(set.push(victim.clone()), model.insert(victim));
        prop_assert!(agree(&set, &model));
        set.retain(|name| other.contains(name));
        model.retain(|name| other_model.contains(name));
        prop_assert!(agree(&set, &model));
        set.extend(other.clone());
        model.extend(other_model);
        prop_assert!(agree(&set, &model));
    }

    #[test]
    fn any_text_is_read_without_harm(text in "[n\\[\\]0-9,/: -]{0,40}|\\PC{0,40}") {
        match NodeSet::parse(&text) {
            Ok(set) => prop_assert!(!set.is_empty()),
            Err(error) => prop_assert!(text.get(error.at).is_some()),
        }
    }
}
