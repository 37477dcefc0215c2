//! What can happen to a host's network.

use super::host::Host;
use super::segment::Lab;

impl Lab {
    /// Pulls a host's cable, at the switch: the host itself sees its card lose the carrier.
    pub fn link_down(&self, host: &Host) {
        self.switch()
            .must(&["ip", "link", "set", &host.port, "down"]);
    }

    /// Puts it back.
    pub fn link_up(&self, host: &Host) {
        self.switch().must(&["ip", "link", "set", &host.port, "up"]);
    }
}

impl Host {
    /// Loses this share of all packets, both ways.
    pub fn lose(&self, percent: u8) {
        let loss = format!("numgen random mod 100 < {percent} drop");
        self.filter(&loss, &loss);
    }

    /// Loses this share of all UDP packets that come in. What goes out is lost elsewhere: a rule
    /// for output would tell the sender, as no network does.
    pub fn lose_udp(&self, percent: u8) {
        let loss = format!("meta l4proto udp numgen random mod 100 < {percent} drop");
        self.filter(&loss, "");
    }

    /// Says nothing and hears nothing, and nobody is told: packets vanish.
    pub fn black_hole(&self) {
        self.filter("iif eth0 drop", "oif eth0 drop");
    }

    /// Lets no multicast in or out.
    pub fn block_multicast(&self) {
        let rule = "meta pkttype { multicast, broadcast } drop";
        let out = "ip daddr 224.0.0.0/4 drop\n ip6 daddr ff00::/8 udp dport 0-65535 drop";
        self.filter(rule, out);
    }

    /// Sets nft rules for what comes in and what goes out, instead of those before.
    pub fn filter(&self, input: &str, output: &str) {
        let rules = format!(
            "flush ruleset\ntable inet lab {{\n \
             chain input {{ type filter hook input priority 0;\n {input}\n }}\n \
             chain output {{ type filter hook output priority 0;\n {output}\n }}\n}}\n"
        );
        drop(
            self.program(&["nft", "-f", "-"])
                .stdin(rules)
                .run()
                .expect_code(0),
        );
    }

    /// Drops all rules.
    pub fn filter_nothing(&self) {
        self.must(&["nft", "flush", "ruleset"]);
    }

    /// Breaks every TCP connection to or from this port, as a middlebox that forgot it would.
    pub fn break_connections(&self, port: u16) {
        let either = format!("( sport = :{port} or dport = :{port} )");
        self.sh(&format!(
            "ss -K -t -n state established '{either}' >/dev/null"
        ));
    }

    /// Sends no faster than this, such as `1mbit`.
    pub fn slow_down(&self, rate: &str) {
        self.sh(&format!(
            "tc qdisc replace dev eth0 root tbf rate {rate} burst 16kb latency 400ms"
        ));
    }

    /// Replaces its IPv4 address.
    pub fn change_address(&self, to: &str) {
        self.sh(&format!(
            "ip -4 addr flush dev eth0 && ip addr add {to}/16 brd + dev eth0"
        ));
    }
}
