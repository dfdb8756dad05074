//! The numbers of ICMPv6 messages and what an operator calls them.

/// Types of message.
pub mod ty {
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 1;
    /// Larger than the next link carries.
    pub const PACKET_TOO_BIG: u8 = 2;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 128;
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Multicast listener query.
    pub const MLD_QUERY: u8 = 130;
    /// Multicast listener report, version 1.
    pub const MLD_REPORT: u8 = 131;
    /// Multicast listener done, version 1.
    pub const MLD_DONE: u8 = 132;
    /// Router solicitation.
    pub const ROUTER_SOLICITATION: u8 = 133;
    /// Router advertisement.
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    /// Neighbour solicitation.
    pub const NEIGHBOUR_SOLICITATION: u8 = 135;
    /// Neighbour advertisement.
    pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
    /// Redirect.
    pub const REDIRECT: u8 = 137;
    /// Node information query (RFC 4620).
    pub const NODE_QUERY: u8 = 139;
    /// Node information reply.
    pub const NODE_REPLY: u8 = 140;
    /// Multicast listener report, version 2.
    pub const MLD2_REPORT: u8 = 143;
    /// Home agent discovery request (RFC 6275).
    pub const HOME_AGENT_REQUEST: u8 = 144;
    /// Home agent discovery reply.
    pub const HOME_AGENT_REPLY: u8 = 145;
    /// Mobile prefix solicitation.
    pub const MOBILE_PREFIX_SOLICITATION: u8 = 146;
    /// Mobile prefix advertisement.
    pub const MOBILE_PREFIX_ADVERTISEMENT: u8 = 147;
    /// Extended echo request, which asks about an interface (RFC 8335).
    pub const EXTENDED_ECHO_REQUEST: u8 = 160;
    /// Extended echo reply.
    pub const EXTENDED_ECHO_REPLY: u8 = 161;
}

/// Codes of [`ty::UNREACHABLE`].
pub mod unreachable {
    /// No route to the destination.
    pub const NO_ROUTE: u8 = 0;
    /// Administratively prohibited.
    pub const PROHIBITED: u8 = 1;
    /// The source's scope ends before the destination.
    pub const BEYOND_SCOPE: u8 = 2;
    /// The address does not answer.
    pub const ADDRESS: u8 = 3;
    /// Nobody listens on the port.
    pub const PORT: u8 = 4;
    /// The source address failed a policy.
    pub const POLICY: u8 = 5;
    /// The route rejects.
    pub const REJECT: u8 = 6;
}

/// Codes of [`ty::TIME_EXCEEDED`].
pub mod time_exceeded {
    /// The hop limit ran out on the way.
    pub const HOP_LIMIT: u8 = 0;
    /// A fragment was missing for too long.
    pub const REASSEMBLY: u8 = 1;
}

/// Codes of [`ty::PARAMETER_PROBLEM`].
pub mod parameter_problem {
    /// A field of a header is wrong.
    pub const FIELD: u8 = 0;
    /// Nobody takes the type of header.
    pub const NEXT_HEADER: u8 = 1;
    /// Nobody knows the option.
    pub const OPTION: u8 = 2;
    /// A first fragment has not all of the headers (RFC 7112).
    pub const INCOMPLETE: u8 = 3;
}

/// Whether a message of this type reports an error.
pub const fn is_error(ty: u8) -> bool {
    ty < 128
}

/// Whether it is one of the errors that are defined (`icmpv6_is_err`): it quotes what it is about.
pub const fn quotes(ty: u8) -> bool {
    matches!(ty, ty::UNREACHABLE | ty::PACKET_TOO_BIG | ty::TIME_EXCEEDED | ty::PARAMETER_PROBLEM)
}

/// Whether it is a message between neighbours, which the management core deals with.
pub const fn is_neighbour_discovery(ty: u8) -> bool {
    matches!(ty, ty::ROUTER_SOLICITATION..=ty::REDIRECT)
}

/// Whether it is a message about who listens to which group.
pub const fn is_listener_discovery(ty: u8) -> bool {
    matches!(ty, ty::MLD_QUERY | ty::MLD_REPORT | ty::MLD_DONE | ty::MLD2_REPORT)
}

/// The name of a message as `ip6tables -p ipv6-icmp -h` has it, by type and, where it has names,
/// code.
pub const fn name(ty: u8, code: u8) -> Option<&'static str> {
    Some(match (ty, code) {
        (ty::UNREACHABLE, unreachable::NO_ROUTE) => "no-route",
        (ty::UNREACHABLE, unreachable::PROHIBITED) => "communication-prohibited",
        (ty::UNREACHABLE, unreachable::BEYOND_SCOPE) => "beyond-scope",
        (ty::UNREACHABLE, unreachable::ADDRESS) => "address-unreachable",
        (ty::UNREACHABLE, unreachable::PORT) => "port-unreachable",
        (ty::UNREACHABLE, unreachable::POLICY) => "failed-policy",
        (ty::UNREACHABLE, unreachable::REJECT) => "reject-route",
        (ty::UNREACHABLE, _) => "destination-unreachable",
        (ty::PACKET_TOO_BIG, _) => "packet-too-big",
        (ty::TIME_EXCEEDED, time_exceeded::HOP_LIMIT) => "ttl-zero-during-transit",
        (ty::TIME_EXCEEDED, time_exceeded::REASSEMBLY) => "ttl-zero-during-reassembly",
        (ty::TIME_EXCEEDED, _) => "time-exceeded",
        (ty::PARAMETER_PROBLEM, parameter_problem::FIELD) => "bad-header",
        (ty::PARAMETER_PROBLEM, parameter_problem::NEXT_HEADER) => "unknown-header-type",
        (ty::PARAMETER_PROBLEM, parameter_problem::OPTION) => "unknown-option",
        (ty::PARAMETER_PROBLEM, _) => "parameter-problem",
        (ty::ECHO_REQUEST, _) => "echo-request",
        (ty::ECHO_REPLY, _) => "echo-reply",
        (ty::MLD_QUERY, _) => "mld-listener-query",
        (ty::MLD_REPORT, _) => "mld-listener-report",
        (ty::MLD_DONE, _) => "mld-listener-done",
        (ty::MLD2_REPORT, _) => "mld2-listener-report",
        (ty::ROUTER_SOLICITATION, _) => "router-solicitation",
        (ty::ROUTER_ADVERTISEMENT, _) => "router-advertisement",
        (ty::NEIGHBOUR_SOLICITATION, _) => "neighbour-solicitation",
        (ty::NEIGHBOUR_ADVERTISEMENT, _) => "neighbour-advertisement",
        (ty::REDIRECT, _) => "redirect",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows [3.68], [3.69] and [3.85].
    #[test]
    fn messages_have_names_and_the_upper_half_of_the_types_is_information() {
        assert_eq!(name(1, 4), Some("port-unreachable"));
        assert_eq!((name(4, 1), name(2, 7)), (Some("unknown-header-type"), Some("packet-too-big")));
        assert_eq!((name(136, 0), name(200, 0)), (Some("neighbour-advertisement"), None));
        assert!(is_error(127) && !is_error(128) && quotes(4) && !quotes(5) && !quotes(0));
        let nd: Vec<u8> = (0..=255).filter(|ty| is_neighbour_discovery(*ty)).collect();
        assert_eq!(nd, [133, 134, 135, 136, 137]);
        let mld: Vec<u8> = (0..=255).filter(|ty| is_listener_discovery(*ty)).collect();
        assert_eq!(mld, [130, 131, 132, 143]);
    }
}
