//! Node sets: text in, names out, folded text back.

use dtx_proto_types::node::{NodeName, NodeSet};

fn names(set: &NodeSet) -> String {
    let names: Vec<&str> = set.iter().map(NodeName::as_str).collect();
    names.join(" ")
}

#[test]
fn text_names_nodes() {
    for (text, expected) in [
        ("n1", "n1"),
        ("n[1]", "n1"),
        ("n[1-3]", "n1 n2 n3"),
        ("n3,n1,n2,n1", "n3 n1 n2"),
        (" n1\tn2\n,  n3 ", "n1 n2 n3"),
        ("n[9-11]", "n9 n10 n11"),
        ("n[09-11]", "n09 n10 n11"),
        ("n[098-101]", "n098 n099 n100 n101"),
        ("n[0-10/5]", "n0 n5 n10"),
        ("n[00-10/5]", "n00 n05 n10"),
        ("n[1,01,001]", "n1 n01 n001"),
        ("n[ 1 - 2 , 7 ]", "n1 n2 n7"),
        ("n[1-2,7,4-5]", "n1 n2 n7 n4 n5"),
        ("r[1-2]n[1-2]", "r1n1 r1n2 r2n1 r2n2"),
        ("a[1-2]b[01-02]c", "a1b01c a1b02c a2b01c a2b02c"),
        ("foo[1-2]-[0-1]", "foo1-0 foo1-1 foo2-0 foo2-1"),
        ("n1[2-3]", "n12 n13"),
        ("n[1-3]5", "n15 n25 n35"),
        ("n[9-11]5", "n95 n105 n115"),
        ("n1[08-10]", "n108 n109 n110"),
        ("n1[8,12]", "n18 n112"),
        ("n[1-3]-eth0", "n1-eth0 n2-eth0 n3-eth0"),
        ("[1-3]", "1 2 3"),
        ("[001-002]", "001 002"),
        ("n[1-2].example.org", "n1.example.org n2.example.org"),
        ("10.0.0.[9-10]", "10.0.0.9 10.0.0.10"),
        ("10.[0-1].0.[1-2]", "10.0.0.1 10.0.0.2 10.1.0.1 10.1.0.2"),
        ("192.0.2.7:15950", "192.0.2.7:15950"),
        ("fe80::1%eth0,::1", "fe80::1%eth0 ::1"),
        ("[2001:db8::1]:15950", "[2001:db8::1]:15950"),
        ("n1,[::1]:1,[::1],n2", "n1 [::1]:1 ::1 n2"),
        ("2001:db8::[1-2]", "2001:db8::1 2001:db8::2"),
        ("n1-2 web_1 A", "n1-2 web_1 A"),
        ("n99999999999999999999999999", "n99999999999999999999999999"),
    ] {
        let set = NodeSet::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(names(&set), expected, "{text}");
    }
}

#[test]
fn sets_are_folded_to_the_usual_text() {
    for (text, folded) in [
        ("n1", "n1"),
        ("n2,n1", "n[1-2]"),
        ("n[01-16]", "n[01-16]"),
        ("n7,n[1-3]", "n[1-3,7]"),
        ("a[1-2],b3,a3", "a[1-3],b3"),
        ("n2 n01 n001 n3", "n[2-3,01,001]"),
        ("n[1-3,01-03,001]", "n[1-3,01-03,001]"),
        ("n[01-03,5]", "n[5,01-03]"),
        ("n0,n00,n000", "n[0,00,000]"),
        ("n[8-10,08]", "n[8-9,08,10]"),
        ("n[98-102]", "n[98-102]"),
        ("n[098-102]", "n[098-102]"),
        ("n[09-99],n100", "n[09-99,100]"),
        ("n[1-10/2]", "n[1,3,5,7,9]"),
        ("node-00[00-99]", "node-[0000-0099]"),
        ("[1-3]", "[1-3]"),
        ("1,2,3", "[1-3]"),
        ("b2,a10,a9,a1,z", "a[1,9-10],b2,z"),
        ("N1,n1,n2,N2", "N[1-2],n[1-2]"),
        ("n10,n9,m1,n", "m1,n,n[9-10]"),
        ("node,node1,node2-ib,node1-ib", "node,node1,node[1-2]-ib"),
        ("n1b,n2b,n1a", "n1a,n[1-2]b"),
        ("192.0.2.7,192.0.2.8", "192.0.2.[7-8]"),
        ("10.0.0.9,10.0.0.10,10.0.1.10", "10.0.0.[9-10],10.0.1.10"),
        ("fe80::2%eth0,fe80::1%eth0", "fe80::[1-2]%eth0"),
        ("[::2]:1,[::1]:1", "[::1]:1,[::2]:1"),
        ("dc1n2 dc2n2 dc1n1 dc2n1", "dc[1-2]n[1-2]"),
        ("rack[0-3]-node[00-15,32]", "rack[0-3]-node[00-15,32]"),
        ("r1n1,r2n2", "r1n1,r2n2"),
        ("a1b1,a1b2,a2b1", "a1b[1-2],a2b1"),
        (
            "x1y1,x1y2,x1y3,x2y1,x2y3,x3y1,x3y2",
            "x1y[1-3],x2y[1,3],x3y[1-2]",
        ),
        ("r[1-2]n[1-3],r3n[1-2],r1n9", "r1n[1-3,9],r2n[1-3],r3n[1-2]"),
        (
            "web[1-9].dc[1-3],web[1-4,6-12].dc4",
            "web[1-9].dc[1-3],web[1-4,6-12].dc4",
        ),
        ("x[1-3]y[1-3]z[1-3],x4y1z1", "x[1-3]y[1-3]z[1-3],x4y1z1"),
        ("n[01-02]-[1-3],n3-[1-3]", "n[3,01-02]-[1-3]"),
        ("n9999999999999999999,n1", "n1,n9999999999999999999"),
        (
            "n[999999999999999998-999999999999999999]",
            "n[999999999999999998-999999999999999999]",
        ),
        ("n1,n999999999999999999", "n[1,999999999999999999]"),
    ] {
        let set = NodeSet::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(set.fold(), folded, "{text}");
        assert_eq!(set.to_string(), folded);
        assert!(
            NodeSet::parse(folded).unwrap().has_same_nodes(&set),
            "{folded}"
        );
    }
    assert_eq!(NodeSet::default().fold(), "");
}

#[test]
fn positions_follow_the_order_written() {
    let name = |text: &str| text.parse::<NodeName>().unwrap();
    let mut set = NodeSet::parse("n3,n1,n2").unwrap();
    assert_eq!(set.position(&name("n3")), Some(0));
    assert!(!set.push(name("n1")));
    assert!(set.push(name("n4")));
    assert!(set.remove(&name("n1")));
    assert!(!set.remove(&name("n1")));
    assert_eq!(names(&set), "n3 n2 n4");
    assert_eq!(set.position(&name("n4")), Some(2));
    set.retain(|node| node.as_str() != "n3");
    assert_eq!(set.position(&name("n4")), Some(1));
    assert_eq!(set.position(&name("n3")), None);
    let without = set.difference(&NodeSet::parse("n4,x").unwrap());
    assert_eq!(names(&without), "n2");
    assert_ne!(
        NodeSet::parse("a,b").unwrap(),
        NodeSet::parse("b,a").unwrap()
    );
}
