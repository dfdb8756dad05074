//! How long connections live, under the kernel's names.
//!
//! - gives: [`Timeouts`], read by index on workers and by name of a sysctl by operators
//! - obeys: rows [9.116], [9.120], [9.121], [9.137], [9.139] to [9.144]

use super::Nanos;

/// Nanoseconds of a second.
pub const SECOND: Nanos = 1_000_000_000;

/// Places in [`Timeouts::tcp`] beside those of the states.
pub mod tcp_extra {
    /// Too many retransmissions.
    pub const RETRANS: usize = 10;
    /// Data that nobody acknowledged.
    pub const UNACK: usize = 11;
}

/// Timeouts of all protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP, by state, then [`tcp_extra`].
    pub tcp: [Nanos; 12],
    /// UDP without and with answers that last.
    pub udp: [Nanos; 2],
    /// UDP-Lite without and with an answer.
    pub udplite: [Nanos; 2],
    /// ICMP.
    pub icmp: Nanos,
    /// ICMPv6.
    pub icmpv6: Nanos,
    /// GRE without and with an answer.
    pub gre: [Nanos; 2],
    /// SCTP, by state.
    pub sctp: [Nanos; 9],
    /// DCCP, by state.
    pub dccp: [Nanos; 8],
    /// All others.
    pub generic: Nanos,
}

impl Default for Timeouts {
    fn default() -> Self {
        let mut all = Self {
            tcp: [0; 12],
            udp: [0; 2],
            udplite: [0; 2],
            icmp: 0,
            icmpv6: 0,
            gre: [0; 2],
            sctp: [0; 9],
            dccp: [0; 8],
            generic: 0,
        };
        for (name, seconds) in DEFAULTS {
            if let Some(place) = all.place(name) {
                *place = seconds * SECOND;
            }
        }
        // What a new flow gets before its first state.
        all.tcp[0] = all.tcp[1];
        all.sctp[0] = all.sctp[1];
        all.dccp[0] = all.dccp[1];
        all
    }
}

/// Names of all timeouts behind `nf_conntrack_`, with their default in seconds.
pub const DEFAULTS: [(&str, u64); 38] = [
    ("tcp_timeout_syn_sent", 120),
    ("tcp_timeout_syn_recv", 60),
    ("tcp_timeout_established", 432_000),
    ("tcp_timeout_fin_wait", 120),
    ("tcp_timeout_close_wait", 60),
    ("tcp_timeout_last_ack", 30),
    ("tcp_timeout_time_wait", 120),
    ("tcp_timeout_close", 10),
    ("tcp_timeout_syn_sent2", 120),
    ("tcp_timeout_max_retrans", 300),
    ("tcp_timeout_unacknowledged", 300),
    ("udp_timeout", 30),
    ("udp_timeout_stream", 120),
    ("udplite_timeout", 30),
    ("udplite_timeout_stream", 180),
    ("icmp_timeout", 30),
    ("icmpv6_timeout", 30),
    ("gre_timeout", 30),
    ("gre_timeout_stream", 180),
    ("sctp_timeout_closed", 10),
    ("sctp_timeout_cookie_wait", 3),
    ("sctp_timeout_cookie_echoed", 3),
    ("sctp_timeout_established", 210),
    ("sctp_timeout_shutdown_sent", 3),
    ("sctp_timeout_shutdown_recd", 3),
    ("sctp_timeout_shutdown_ack_sent", 3),
    ("sctp_timeout_heartbeat_sent", 30),
    ("dccp_timeout_request", 240),
    ("dccp_timeout_respond", 480),
    ("dccp_timeout_partopen", 480),
    ("dccp_timeout_open", 43_200),
    ("dccp_timeout_closereq", 64),
    ("dccp_timeout_closing", 64),
    ("dccp_timeout_timewait", 240),
    ("generic_timeout", 600),
    // Words of timeout policies that are no sysctls: the same places.
    ("tcp_timeout_retrans", 300),
    ("tcp_timeout_unack", 300),
    ("generic_timeout_timeout", 600),
];

impl Timeouts {
    /// The timeout of a name behind `nf_conntrack_`, to be read or set.
    pub fn place(&mut self, name: &str) -> Option<&mut Nanos> {
        Some(match name {
            "tcp_timeout_syn_sent" => &mut self.tcp[1],
            "tcp_timeout_syn_recv" => &mut self.tcp[2],
            "tcp_timeout_established" => &mut self.tcp[3],
            "tcp_timeout_fin_wait" => &mut self.tcp[4],
            "tcp_timeout_close_wait" => &mut self.tcp[5],
            "tcp_timeout_last_ack" => &mut self.tcp[6],
            "tcp_timeout_time_wait" => &mut self.tcp[7],
            "tcp_timeout_close" => &mut self.tcp[8],
            "tcp_timeout_syn_sent2" => &mut self.tcp[9],
            "tcp_timeout_max_retrans" | "tcp_timeout_retrans" => &mut self.tcp[tcp_extra::RETRANS],
            "tcp_timeout_unacknowledged" | "tcp_timeout_unack" => &mut self.tcp[tcp_extra::UNACK],
            "udp_timeout" => &mut self.udp[0],
            "udp_timeout_stream" => &mut self.udp[1],
            "udplite_timeout" => &mut self.udplite[0],
            "udplite_timeout_stream" => &mut self.udplite[1],
            "icmp_timeout" => &mut self.icmp,
            "icmpv6_timeout" => &mut self.icmpv6,
            "gre_timeout" => &mut self.gre[0],
            "gre_timeout_stream" => &mut self.gre[1],
            "sctp_timeout_closed" => &mut self.sctp[1],
            "sctp_timeout_cookie_wait" => &mut self.sctp[2],
            "sctp_timeout_cookie_echoed" => &mut self.sctp[3],
            "sctp_timeout_established" => &mut self.sctp[4],
            "sctp_timeout_shutdown_sent" => &mut self.sctp[5],
            "sctp_timeout_shutdown_recd" => &mut self.sctp[6],
            "sctp_timeout_shutdown_ack_sent" => &mut self.sctp[7],
            "sctp_timeout_heartbeat_sent" => &mut self.sctp[8],
            "dccp_timeout_request" => &mut self.dccp[1],
            "dccp_timeout_respond" => &mut self.dccp[2],
            "dccp_timeout_partopen" => &mut self.dccp[3],
            "dccp_timeout_open" => &mut self.dccp[4],
            "dccp_timeout_closereq" => &mut self.dccp[5],
            "dccp_timeout_closing" => &mut self.dccp[6],
            "dccp_timeout_timewait" => &mut self.dccp[7],
            "generic_timeout" | "generic_timeout_timeout" => &mut self.generic,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows [9.121], [9.142] and [9.144]: every name has its place and its default.
    #[test]
    fn defaults_are_those_of_the_kernel() {
        let mut all = Timeouts::default();
        for (name, seconds) in DEFAULTS {
            assert_eq!(all.place(name).copied(), Some(seconds * SECOND), "{name}");
        }
        assert_eq!(all.place("tcp_timeout"), None);
        assert_eq!(all.tcp[0], 120 * SECOND);
        assert!(all.tcp.iter().chain(&all.sctp).chain(&all.dccp).all(|&timeout| timeout > 0));
    }
}
