//! What went wrong with a command line, in the sentences that iproute2 prints.
//!
//! Scripts compare these texts, so they are kept word for word; the `at` of [`ParseError`] adds what
//! iproute2 does not say: which word.

use thiserror::Error;

use super::usage::Usage;

/// A command line that cannot be carried out as written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{fact}")]
pub struct ParseError {
    /// Index of the offending word in the slice that was parsed; its length when a word is missing.
    pub at: usize,
    /// What is wrong.
    pub fact: Fact,
}

impl ParseError {
    /// The status with which `ip` would leave the shell.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self.fact {
            Fact::AddressExpected { .. }
            | Fact::PrefixExpected { .. }
            | Fact::DevRequired
            | Fact::TypeRequired
            | Fact::FlushRequiresArguments
            | Fact::RouteFlushRequiresArguments
            | Fact::DestinationRequired
            | Fact::LifetimeOrder
            | Fact::BroadcastOfSix
            | Fact::LabelArguments(_)
            | Fact::LifetimeZero
            | Fact::BadLladdr(_)
            | Fact::UnknownTypeArgument { .. }
            | Fact::LladdrLength { .. }
            | Fact::OnOff { .. }
            | Fact::NeighbourGetIncomplete
            | Fact::UnknownObject(_)
            | Fact::NotSupported(_)
            | Fact::RuleRequiresArguments(_)
            | Fact::RuleSaveArguments
            | Fact::UnknownTypeOption { .. }
            | Fact::VrfHelp
            | Fact::NoVrfName => 1,
            Fact::TableOfL3mdev => 22,
            Fact::Kernel(_) => 2,
            _ => 255,
        }
    }
}

/// One thing that can be wrong with a command line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fact {
    /// The first word names no object of `ip`.
    #[error("Object \"{0}\" is unknown, try \"ip help\".")]
    UnknownObject(String),
    /// An option before the object is not one of `ip`.
    #[error("Option \"{0}\" is unknown, try \"ip -help\".")]
    UnknownOption(String),
    /// The verb is not one of this object.
    #[error("Command \"{word}\" is unknown, try \"ip {object} help\".")]
    UnknownCommand {
        /// Word found where a verb belongs.
        word: String,
        /// Object as iproute2 names it in this sentence.
        object: &'static str,
    },
    /// A value does not fit the word before it.
    #[error("Error: argument \"{word}\" is wrong: {what}")]
    WrongArgument {
        /// The value.
        word: String,
        /// iproute2's explanation.
        what: &'static str,
    },
    /// A keyword was given twice.
    #[error("Error: duplicate \"{key}\": \"{word}\" is the second value.")]
    Duplicate {
        /// The keyword.
        key: &'static str,
        /// The second value.
        word: String,
    },
    /// A word that is no keyword stands where only one address or device may stand.
    #[error("Error: either \"{key}\" is duplicate, or \"{word}\" is a garbage.")]
    DuplicateOrGarbage {
        /// The keyword that may be left out.
        key: &'static str,
        /// The word.
        word: String,
    },
    /// The line ends where a value is needed.
    #[error("Command line is not complete. Try option \"help\"")]
    Incomplete,
    /// A word is not an address.
    #[error("Error: {family} address is expected rather than \"{word}\".")]
    AddressExpected {
        /// `inet`, or `any valid` when the family was not said.
        family: &'static str,
        /// The word.
        word: String,
    },
    /// A word is not a prefix.
    #[error("Error: {family} prefix is expected rather than \"{word}\".")]
    PrefixExpected {
        /// `inet`, or `any valid` when the family was not said.
        family: &'static str,
        /// The word.
        word: String,
    },
    /// An on/off word has another value.
    #[error("Error: argument of \"{key}\" must be \"on\" or \"off\", not \"{word}\"")]
    OnOff {
        /// The keyword.
        key: &'static str,
        /// The value.
        word: String,
    },
    /// Something else than `nexthop` follows a nexthop.
    #[error("Error: \"nexthop\" or end of line is expected instead of \"{0}\"")]
    NexthopExpected(String),
    /// A `nexthop` without anything after it.
    #[error("Error: unexpected end of line after \"nexthop\"")]
    NexthopEmpty,
    /// A word that has to be there is not.
    #[error("Error: argument \"{0}\" is required")]
    ArgumentRequired(&'static str),
    /// `ip ntable change` without anything to change.
    #[error("Not enough information: changeable attributes required.")]
    NtableNothing,
    /// An address command without a device.
    #[error("Not enough information: \"dev\" argument is required.")]
    DevRequired,
    /// A link command without a device.
    #[error("Not enough information: \"dev\" argument is required.")]
    LinkDevRequired,
    /// `ip link add` without a type.
    #[error("Not enough information: \"type\" argument is required")]
    TypeRequired,
    /// A neighbour command without device or address.
    #[error("Device and destination are required arguments.")]
    NeighbourIncomplete,
    /// `ip neigh get` without device or address.
    #[error("Device and address are required arguments.")]
    NeighbourGetIncomplete,
    /// `flush` that would empty everything.
    #[error("Flush requires arguments.")]
    FlushRequiresArguments,
    /// `ip route flush` that would empty everything.
    #[error("\"ip route flush\" requires arguments.")]
    RouteFlushRequiresArguments,
    /// `ip route get` without an address.
    #[error("need at least a destination address")]
    DestinationRequired,
    /// A new link with two names.
    #[error("both \"name\" and \"dev\" cannot be used when creating devices.")]
    TwoNames,
    /// A preferred lifetime beyond the valid one.
    #[error("preferred_lft is greater than valid_lft")]
    LifetimeOrder,
    /// A lifetime that is over before it begins.
    #[error("valid_lft is zero")]
    LifetimeZero,
    /// A broadcast address of IPv6.
    #[error("Broadcast can be set only for IPv4 addresses")]
    BroadcastOfSix,
    /// A word is not a link layer address.
    #[error("\"{0}\" is invalid lladdr.")]
    BadLladdr(String),
    /// A link layer address whose length does not fit Ethernet.
    #[error("Invalid address length {len} - must be 6 bytes")]
    LladdrLength {
        /// Bytes given.
        len: usize,
    },
    /// A word after `type` that the link type does not know.
    #[error("{kind}: unknown command \"{word}\"?")]
    UnknownTypeArgument {
        /// The link type.
        kind: &'static str,
        /// The word.
        word: String,
    },
    /// A word after `type` of a link type that prints its own help.
    #[error("{kind}: unknown option \"{word}\"?\nUsage: ... vrf table TABLEID")]
    UnknownTypeOption {
        /// The link type.
        kind: &'static str,
        /// The word.
        word: String,
    },
    /// The help of `ip link add type vrf`.
    #[error("Usage: ... vrf table TABLEID")]
    VrfHelp,
    /// `ip rule add` or `ip rule del` without anything.
    #[error("\"ip rule {0}\" requires arguments.")]
    RuleRequiresArguments(&'static str),
    /// `ip rule save` with something.
    #[error("\"ip rule save\" does not take any arguments.")]
    RuleSaveArguments,
    /// A rule for VRFs that names a table.
    #[error("table can not be specified for l3mdev rules")]
    TableOfL3mdev,
    /// `ip vrf exec` without a name.
    #[error("No VRF name specified")]
    NoVrfName,
    /// A word that `ip monitor` does not know.
    #[error("Argument \"{0}\" is unknown, try \"ip monitor help\".")]
    UnknownArgument(String),
    /// Words of `ip addrlabel` that are too many or too few.
    #[error("{0}")]
    LabelArguments(&'static str),
    /// Labels of IPv4.
    #[error("RTNETLINK answers: Operation not supported\nDump terminated")]
    NoLabels,
    /// The kernel would refuse this whatever the state of the router, in its own words.
    #[error("{0}")]
    Kernel(&'static str),
    /// iproute2 knows the word; this router does not do it yet.
    #[error("Error: \"{0}\" is not supported yet.")]
    NotSupported(String),
    /// Help was asked for, or the line says too little to guess more.
    #[error("{0}")]
    Usage(Usage),
}
