//! The numbers of ICMP messages and what an operator calls them.

/// Types of message.
pub mod ty {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// Source quench, deprecated by RFC 6633.
    pub const SOURCE_QUENCH: u8 = 4;
    /// Redirect.
    pub const REDIRECT: u8 = 5;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// Router advertisement.
    pub const ROUTER_ADVERTISEMENT: u8 = 9;
    /// Router solicitation.
    pub const ROUTER_SOLICITATION: u8 = 10;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
    /// Timestamp request.
    pub const TIMESTAMP_REQUEST: u8 = 13;
    /// Timestamp reply.
    pub const TIMESTAMP_REPLY: u8 = 14;
    /// Information request, obsolete.
    pub const INFORMATION_REQUEST: u8 = 15;
    /// Information reply, obsolete.
    pub const INFORMATION_REPLY: u8 = 16;
    /// Address mask request.
    pub const ADDRESS_MASK_REQUEST: u8 = 17;
    /// Address mask reply.
    pub const ADDRESS_MASK_REPLY: u8 = 18;
    /// Extended echo request, which asks about an interface (RFC 8335).
    pub const EXTENDED_ECHO_REQUEST: u8 = 42;
    /// Extended echo reply.
    pub const EXTENDED_ECHO_REPLY: u8 = 43;
}

/// Codes of [`ty::UNREACHABLE`].
pub mod unreachable {
    /// No route to the network.
    pub const NET: u8 = 0;
    /// The host does not answer.
    pub const HOST: u8 = 1;
    /// Nobody takes the protocol.
    pub const PROTOCOL: u8 = 2;
    /// Nobody listens on the port.
    pub const PORT: u8 = 3;
    /// Larger than the next link carries, and must not be fragmented.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Source route failed.
    pub const SOURCE_ROUTE: u8 = 5;
    /// Network unknown.
    pub const NET_UNKNOWN: u8 = 6;
    /// Host unknown.
    pub const HOST_UNKNOWN: u8 = 7;
    /// Source host isolated.
    pub const HOST_ISOLATED: u8 = 8;
    /// Network administratively prohibited.
    pub const NET_PROHIBITED: u8 = 9;
    /// Host administratively prohibited.
    pub const HOST_PROHIBITED: u8 = 10;
    /// Network unreachable for this type of service.
    pub const NET_TOS: u8 = 11;
    /// Host unreachable for this type of service.
    pub const HOST_TOS: u8 = 12;
    /// Communication administratively prohibited by filtering.
    pub const FILTERED: u8 = 13;
    /// Host precedence violation.
    pub const PRECEDENCE_VIOLATION: u8 = 14;
    /// Precedence cut off.
    pub const PRECEDENCE_CUTOFF: u8 = 15;
}

/// Codes of [`ty::REDIRECT`].
pub mod redirect {
    /// For the network.
    pub const NET: u8 = 0;
    /// For the host.
    pub const HOST: u8 = 1;
    /// For the network and type of service.
    pub const NET_TOS: u8 = 2;
    /// For the host and type of service.
    pub const HOST_TOS: u8 = 3;
}

/// Codes of [`ty::TIME_EXCEEDED`].
pub mod time_exceeded {
    /// The TTL ran out on the way.
    pub const TTL: u8 = 0;
    /// A fragment was missing for too long.
    pub const REASSEMBLY: u8 = 1;
}

/// Codes of [`ty::PARAMETER_PROBLEM`].
pub mod parameter_problem {
    /// The pointer says which byte is bad.
    pub const POINTER: u8 = 0;
    /// A required option is missing.
    pub const MISSING_OPTION: u8 = 1;
}

/// The name of a message as `iptables -p icmp -h` has it, by type and, where it has names, code.
pub const fn name(ty: u8, code: u8) -> Option<&'static str> {
    Some(match (ty, code) {
        (ty::ECHO_REPLY, _) => "echo-reply",
        (ty::UNREACHABLE, unreachable::NET) => "network-unreachable",
        (ty::UNREACHABLE, unreachable::HOST) => "host-unreachable",
        (ty::UNREACHABLE, unreachable::PROTOCOL) => "protocol-unreachable",
        (ty::UNREACHABLE, unreachable::PORT) => "port-unreachable",
        (ty::UNREACHABLE, unreachable::FRAGMENTATION_NEEDED) => "fragmentation-needed",
        (ty::UNREACHABLE, unreachable::SOURCE_ROUTE) => "source-route-failed",
        (ty::UNREACHABLE, unreachable::NET_UNKNOWN) => "network-unknown",
        (ty::UNREACHABLE, unreachable::HOST_UNKNOWN) => "host-unknown",
        (ty::UNREACHABLE, unreachable::HOST_ISOLATED) => "host-isolated",
        (ty::UNREACHABLE, unreachable::NET_PROHIBITED) => "network-prohibited",
        (ty::UNREACHABLE, unreachable::HOST_PROHIBITED) => "host-prohibited",
        (ty::UNREACHABLE, unreachable::NET_TOS) => "TOS-network-unreachable",
        (ty::UNREACHABLE, unreachable::HOST_TOS) => "TOS-host-unreachable",
        (ty::UNREACHABLE, unreachable::FILTERED) => "communication-prohibited",
        (ty::UNREACHABLE, unreachable::PRECEDENCE_VIOLATION) => "host-precedence-violation",
        (ty::UNREACHABLE, unreachable::PRECEDENCE_CUTOFF) => "precedence-cutoff",
        (ty::UNREACHABLE, _) => "destination-unreachable",
        (ty::SOURCE_QUENCH, _) => "source-quench",
        (ty::REDIRECT, redirect::NET) => "network-redirect",
        (ty::REDIRECT, redirect::HOST) => "host-redirect",
        (ty::REDIRECT, redirect::NET_TOS) => "TOS-network-redirect",
        (ty::REDIRECT, redirect::HOST_TOS) => "TOS-host-redirect",
        (ty::REDIRECT, _) => "redirect",
        (ty::ECHO_REQUEST, _) => "echo-request",
        (ty::ROUTER_ADVERTISEMENT, _) => "router-advertisement",
        (ty::ROUTER_SOLICITATION, _) => "router-solicitation",
        (ty::TIME_EXCEEDED, time_exceeded::TTL) => "ttl-zero-during-transit",
        (ty::TIME_EXCEEDED, time_exceeded::REASSEMBLY) => "ttl-zero-during-reassembly",
        (ty::TIME_EXCEEDED, _) => "time-exceeded",
        (ty::PARAMETER_PROBLEM, parameter_problem::POINTER) => "ip-header-bad",
        (ty::PARAMETER_PROBLEM, parameter_problem::MISSING_OPTION) => "required-option-missing",
        (ty::PARAMETER_PROBLEM, _) => "parameter-problem",
        (ty::TIMESTAMP_REQUEST, _) => "timestamp-request",
        (ty::TIMESTAMP_REPLY, _) => "timestamp-reply",
        (ty::INFORMATION_REQUEST, _) => "information-request",
        (ty::INFORMATION_REPLY, _) => "information-reply",
        (ty::ADDRESS_MASK_REQUEST, _) => "address-mask-request",
        (ty::ADDRESS_MASK_REPLY, _) => "address-mask-reply",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_names_of_iptables() {
        assert_eq!(name(3, 13), Some("communication-prohibited"));
        assert_eq!(name(3, 99), Some("destination-unreachable"));
        assert_eq!(name(11, 0), Some("ttl-zero-during-transit"));
        assert_eq!(name(8, 0), Some("echo-request"));
        assert_eq!((name(1, 0), name(19, 0)), (None, None));
    }
}
