//! What went wrong with a rule, in the sentences that iptables prints.
//!
//! Scripts compare these texts, so they are kept word for word. Where iptables only says "Invalid
//! argument" and leaves the reason to the kernel's log, [`Error::hint`] tells the reason.

use thiserror::Error;

/// What readers of rules return.
pub(super) type Parse<T> = Result<T, Error>;

/// A rule or command that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{fact}")]
pub struct Error {
    /// What is wrong.
    pub fact: Fact,
    /// Why, or what to do instead, where the sentence itself does not say.
    pub hint: Option<String>,
}

impl Error {
    /// The same with a reason.
    #[must_use]
    pub fn because(fact: Fact, hint: impl Into<String>) -> Self {
        Self { fact, hint: Some(hint.into()) }
    }

    /// The status with which `iptables` would leave the shell.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self.fact {
            Fact::Kernel(_) | Fact::PolicyRefused { .. } | Fact::CommitExpected => 1,
            Fact::NoTable(_) => 3,
            _ => 2,
        }
    }

    /// All that a program of this name prints on its standard error.
    #[must_use]
    pub fn render(&self, program: &str) -> String {
        let mut text = match &self.fact {
            Fact::Kernel(refused) => format!("{program}: {refused}\n"),
            Fact::BadArgument(_) => format!("{}\n", self.fact),
            Fact::OtherFamily => String::new(),
            _ => format!("{program} {}: {}\n", super::VERSION, self.fact),
        };
        if let Some(hint) = &self.hint {
            text.push_str(&format!("{program}: {hint}\n"));
        }
        if self.exit_status() == 2 {
            text.push_str(&try_help(program));
        } else if self.exit_status() == 3 {
            text.push_str(&format!("Perhaps {program} or your kernel needs to be upgraded.\n"));
        }
        text
    }
}

/// The line that follows an error in the words of a command.
pub(super) fn try_help(program: &str) -> String {
    format!("Try `{program} -h' or '{program} --help' for more information.\n")
}

impl From<Fact> for Error {
    fn from(fact: Fact) -> Self {
        Self { fact, hint: None }
    }
}

/// Why a table was refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum Refused {
    /// No such chain, or what a rule needs is not there.
    #[error("No chain/target/match by that name.")]
    NoName,
    /// A rule is where it cannot be, or asks what cannot be.
    #[error("Invalid argument. Run `dmesg' for more information.")]
    Invalid,
    /// `-D` or `-C` found no such rule.
    #[error("Bad rule (does a matching rule exist in that chain?).")]
    NoRule,
    /// Other rules jump to the chain.
    #[error("Too many links.")]
    Linked,
    /// The chain still has rules.
    #[error("Directory not empty.")]
    NotEmpty,
    /// `-N` of a chain that is there.
    #[error("Chain already exists.")]
    Exists,
    /// `-E` to a name that is taken.
    #[error("File exists.")]
    NameTaken,
    /// `-D CHAIN N`
    #[error("Index of deletion too big.")]
    DeletionIndex,
    /// `-I CHAIN N`
    #[error("Index of insertion too big.")]
    InsertionIndex,
    /// `-R CHAIN N`
    #[error("Index of replacement too big.")]
    ReplacementIndex,
    /// `-Z CHAIN N`
    #[error("Index of counter too big.")]
    CounterIndex,
    /// `-P` of what is no policy.
    #[error("Bad policy name. Run `dmesg' for more information.")]
    PolicyName,
    /// `-P` of what is no built-in chain.
    #[error("Bad built-in chain name.")]
    BuiltIn,
    /// Chains lead back to themselves.
    #[error("Too many levels of symbolic links.")]
    Loop,
    /// Numbers that would overflow.
    #[error("Numerical result out of range.")]
    Range,
    /// The other half of the rule does not go with it.
    #[error("Operation not supported.")]
    Unsupported,
}

/// One thing that can be wrong with a command line or a line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fact {
    /// The table was refused.
    #[error("{0}")]
    Kernel(Refused),
    /// A word that belongs nowhere.
    #[error("Bad argument `{0}'")]
    BadArgument(String),
    /// An option nobody knows.
    #[error("unknown option \"{0}\"")]
    UnknownOption(String),
    /// An option at the end of the line.
    #[error("option \"{0}\" requires an argument")]
    NeedsArgument(String),
    /// An option of the line that was given before.
    #[error("multiple -{0} flags not allowed")]
    Twice(char),
    /// `! !`
    #[error("multiple consecutive ! not allowed")]
    BangTwice,
    /// `!` before what cannot be inverted.
    #[error("unexpected ! flag before --{0}")]
    UnexpectedBang(String),
    /// `!` before an option of the line that knows none.
    #[error("cannot have ! before -{0}")]
    BangBefore(char),
    /// `!` at the end.
    #[error("nothing appropriate following !")]
    NothingAfterBang,
    /// `! -p all`
    #[error("rule would never match protocol")]
    NeverMatchesProtocol,
    /// No command.
    #[error("no command specified")]
    NoCommand,
    /// Two commands.
    #[error("Cannot use -{0} with -{1}")]
    TwoCommands(char, char),
    /// An option that has no meaning with the command.
    #[error("Illegal option `-{0}' with this command")]
    IllegalOption(char),
    /// A rule's number that is none.
    #[error("Invalid rule number `{0}'")]
    RuleNumber(String),
    /// `-R` without one.
    #[error("-R requires a rule number")]
    ReplaceNumber,
    /// `-E`, `-P` without their second word.
    #[error("-{0} requires {1}")]
    SecondWord(char, &'static str),
    /// `-t`
    #[error("can't initialize iptables table `{0}': Table does not exist (do you need to insmod?)")]
    NoTable(String),
    /// A chain's name that is not allowed.
    #[error("chain name not allowed to start with `{0}'")]
    ChainStart(char),
    /// A chain's name of a target.
    #[error("chain name may not clash with target name")]
    ChainClash,
    /// A chain's name that is too long.
    #[error("chain name `{0}' too long (must be under 29 chars)")]
    ChainLong(String),
    /// A chain's name with a space.
    #[error("Invalid chain name `{0}'")]
    ChainSpace(String),
    /// A target's name that is too short.
    #[error("Invalid target name (too short)")]
    TargetShort,
    /// A target's name that is too long.
    #[error("Invalid target name `{0}' (28 chars max)")]
    TargetLong(String),
    /// A target's name with a space.
    #[error("Invalid target name `{0}'")]
    TargetSpace(String),
    /// A match that does not exist, or not here.
    #[error("Couldn't load match `{0}':No such file or directory\n")]
    NoMatch(String),
    /// A target that does not exist, or not here.
    #[error("Couldn't load target `{0}':No such file or directory\n")]
    NoTarget(String),
    /// `-g` of what is no chain.
    #[error("goto '{0}' is not a chain\n")]
    GotoNoChain(String),
    /// A replaced or deleted rule that stands for many.
    #[error("Replacement rule does not specify a unique address")]
    ReplaceMany,
    /// `! -s a,b`
    #[error("! not allowed with multiple source or destination IP addresses")]
    BangMany,
    /// An address.
    #[error("host/network `{0}' not found")]
    NoHost(String),
    /// A mask.
    #[error("invalid mask `{0}' specified")]
    Mask(String),
    /// A protocol.
    #[error("unknown protocol \"{0}\" specified")]
    Protocol(String),
    /// An interface's name that is too long.
    #[error("interface name `{0}' must be shorter than IFNAMSIZ (15)")]
    IfaceLong(String),
    /// An interface without a name.
    #[error("Empty interface is likely to be undesired")]
    IfaceEmpty,
    /// An interface's name that no interface can have.
    #[error("weird character in interface `{0}' ('/' and ' ' are not allowed by the kernel).")]
    IfaceWeird(String),
    /// `-o` where packets have no such interface yet, `-i` where they no longer have one.
    #[error("Can't use -{0} with {1}\n")]
    IfaceHook(char, String),
    /// `-f` of IPv6.
    #[error("`-f' is not supported in IPv6, use -m frag instead")]
    FragmentOfSix,
    /// `-c` with less than two numbers.
    #[error("-c requires packet and byte counter")]
    CountersNeeded,
    /// `-c` with what is no number.
    #[error("-c {0} counter not numeric")]
    CounterNotNumeric(&'static str),
    /// `DROP` where connections are translated.
    #[error(
        "\nThe \"nat\" table is not intended for filtering, the use of DROP is therefore inhibited.\n"
    )]
    DropInNat,

    /// An option of an extension that must be there.
    #[error("{0}: option \"--{1}\" must be specified")]
    Required(&'static str, &'static str),
    /// An option that goes with another.
    #[error("{0}: option \"--{1}\" also requires \"--{2}\".\n")]
    AlsoRequired(&'static str, &'static str, &'static str),
    /// An option that was given before.
    #[error("{0}: option \"--{1}\" can only be used once.")]
    Once(&'static str, &'static str),
    /// The same, of those matches that say it so.
    #[error("Only one `--{0}' allowed")]
    OnlyOne(&'static str),
    /// An option that does not go with another.
    #[error("{0}: option \"--{1}\" cannot be used together with \"--{2}\".")]
    Together(&'static str, &'static str, &'static str),
    /// `!` before an option that knows none.
    #[error("{0}: option \"--{1}\" cannot be inverted.")]
    NotInvertible(&'static str, &'static str),
    /// A number.
    #[error("{0}: bad value for option \"--{1}\", or out of range ({2}-{3}).")]
    OutOfRange(&'static str, &'static str, u64, u64),
    /// The length of a mask.
    #[error(
        "{0}: bad value for option \"--{1}\", neither a valid network mask nor valid CIDR (0-{2})."
    )]
    NotCidr(&'static str, &'static str, u64),
    /// A range of numbers.
    #[error("{0}: bad value for option \"--{1}\" near \"{2}\", or out of range (0-{3}).")]
    OutOfRangeNear(&'static str, &'static str, String, u64),
    /// A mark.
    #[error("{0}: bad integer value for option \"--{1}\", or out of range.")]
    BadInteger(&'static str, &'static str),
    /// A mark's mask.
    #[error("{0}: bad mask value for option \"--{1}\", or out of range.")]
    BadMask(&'static str, &'static str),
    /// A word of a choice.
    #[error("{0}: Bad value for \"--{1}\" option: \"{2}\"")]
    BadChoice(&'static str, &'static str, String),
    /// A text that is too short.
    #[error("Argument must have a minimum length of {0} characters\n")]
    TextShort(usize),
    /// A port or a service.
    #[error("invalid port/service `{0}' specified")]
    Port(String),
    /// Ports the wrong way round.
    #[error("{0}")]
    PortRange(&'static str),
    /// A word that is not of its kind: the sentence before it, the word, what follows.
    #[error("{before}{word}{after}")]
    Word {
        /// What comes before the word.
        before: &'static str,
        /// The word.
        word: String,
        /// What follows.
        after: &'static str,
    },
    /// A sentence of an extension.
    #[error("{0}")]
    Says(&'static str),
    /// A sentence of an extension that has numbers in it.
    #[error("{0}")]
    Tells(String),

    /// `-6` of the command for IPv4, or `-4` of the other; iptables says nothing.
    #[error("this is the command of the other family")]
    OtherFamily,

    /// In a file: `-t`.
    #[error("The -{0} option cannot be used in {1}.\n")]
    NotInFile(&'static str, String),
    /// In a file: a table that does not exist.
    #[error("{1}: unable to initialize table '{0}'\n")]
    FileTable(String, String),
    /// In a file: a chain without policy.
    #[error("{program}: line {line} policy invalid\n")]
    PolicyMissing {
        /// Who says it.
        program: String,
        /// Where.
        line: usize,
    },
    /// In a file: a chain without name.
    #[error("{program}: line {line} chain name invalid\n")]
    ChainMissing {
        /// Who says it.
        program: String,
        /// Where.
        line: usize,
    },
    /// In a file: a chain that is there already.
    #[error("error creating chain '{0}':File exists\n")]
    FileChain(String),
    /// In a file: a chain's name that is too long.
    #[error("Invalid chain name `{0}' (28 chars max)")]
    FileChainLong(String),
    /// In a file: a policy that is none, or of a chain that has none.
    #[error("Can't set policy `{policy}' on `{chain}' line {line}: {why}")]
    PolicyRefused {
        /// The policy.
        policy: String,
        /// The chain.
        chain: String,
        /// Where.
        line: usize,
        /// The reason.
        why: &'static str,
    },
    /// In a file: counters of a chain.
    #[error("invalid policy counters for chain '{0}'\n")]
    PolicyCounters(String),
    /// In a file: counters of a rule.
    #[error("Bad line {0}: need {1}\n")]
    CountersOpen(usize, char),
    /// In a file: it ends within a table.
    #[error("COMMIT expected")]
    CommitExpected,
}
