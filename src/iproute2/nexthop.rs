//! `ip nexthop`: next-hop objects as the operator writes them.

use std::net::IpAddr;

use super::error::Fact;
use super::names;
use super::usage::{Object, Usage};
use super::words::{Inet, Parse, Words, abbreviates, c_number};
use crate::route::spec::{NexthopKind, NexthopSpec, ResilientSpec};

/// What `ip nexthop` is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NexthopCommand {
    /// Add an object.
    Add(NexthopSpec, ResilientWords),
    /// Put an object in the place of the one with this number, or add it.
    Replace(NexthopSpec, ResilientWords),
    /// Take an object away.
    Del(u32),
    /// Take away all objects that fit.
    Flush(NexthopFilter),
    /// Print the objects that fit.
    Show(NexthopFilter),
    /// Print one object, which must be there.
    Get(u32),
    /// Print the buckets that fit.
    ShowBuckets(BucketFilter),
    /// Print one bucket.
    GetBucket {
        /// Number of the group.
        id: u32,
        /// Which of its buckets.
        index: u16,
    },
}

/// What was said of a resilient group; the rest stays as it is, or as the kernel begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResilientWords {
    /// Number of buckets.
    pub buckets: Option<u16>,
    /// Hundredths of a second.
    pub idle_timer: Option<u32>,
    /// Hundredths of a second.
    pub unbalanced_timer: Option<u32>,
}

/// How long a bucket must be unused before it may move when nothing is said (1/100 s).
const IDLE_TIMER: u32 = 12_000;

impl ResilientWords {
    /// What the words mean on top of what there is.
    #[must_use]
    pub fn over(&self, there: Option<ResilientSpec>) -> ResilientSpec {
        let there = there.unwrap_or(ResilientSpec {
            buckets: 0,
            idle_timer: IDLE_TIMER,
            unbalanced_timer: 0,
        });
        ResilientSpec {
            buckets: self.buckets.unwrap_or(there.buckets),
            idle_timer: self.idle_timer.unwrap_or(there.idle_timer),
            unbalanced_timer: self.unbalanced_timer.unwrap_or(there.unbalanced_timer),
        }
    }
}

/// Which objects `show` and `flush` take; `None` takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NexthopFilter {
    /// The family; groups are of none.
    pub family: Inet,
    /// The one of this number.
    pub id: Option<u32>,
    /// Interface.
    pub dev: Option<String>,
    /// Only groups.
    pub groups: bool,
    /// Interfaces in this VRF.
    pub master: Option<String>,
    /// The VRF was called one.
    pub master_is_vrf: bool,
    /// Origin.
    pub protocol: u8,
}

/// Which buckets of resilient groups are shown; `None` takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketFilter {
    /// Those of the group of this number.
    pub id: Option<u32>,
    /// Those that belong to the object of this number.
    pub nhid: Option<u32>,
    /// Those that lead to this interface.
    pub dev: Option<String>,
    /// Those that lead to interfaces in this VRF.
    pub master: Option<String>,
    /// The VRF was called one.
    pub master_is_vrf: bool,
}

pub(super) fn read(words: &mut Words<'_>) -> Parse<NexthopCommand> {
    let Some(verb) = words.take() else {
        let family = words.family();
        return Ok(NexthopCommand::Show(NexthopFilter { family, ..NexthopFilter::default() }));
    };
    let is = |full: &str| abbreviates(verb, full);
    if is("add") {
        read_spec(words, false).map(|(spec, said)| NexthopCommand::Add(spec, said))
    } else if is("replace") {
        read_spec(words, true).map(|(spec, said)| NexthopCommand::Replace(spec, said))
    } else if is("delete") {
        read_delete(words)
    } else if is("list") || is("show") || is("lst") {
        read_filter(words).map(NexthopCommand::Show)
    } else if is("get") {
        read_get(words)
    } else if is("flush") {
        read_filter(words).map(NexthopCommand::Flush)
    } else if is("bucket") {
        read_bucket(words)
    } else if is("help") {
        help(words)
    } else {
        words.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "nexthop" })
    }
}

fn help<T>(words: &Words<'_>) -> Parse<T> {
    words.fail(Fact::Usage(Usage(Some(Object::Nexthop))))
}

fn kernel<T>(words: &Words<'_>, what: &'static str) -> Parse<T> {
    words.fail_end(Fact::Kernel(what))
}

fn read_id(words: &mut Words<'_>) -> Parse<u32> {
    words.number(u32::MAX, "invalid id value")
}

#[derive(Default)]
struct Read {
    id: Option<u32>,
    protocol: u8,
    via: Option<IpAddr>,
    /// `any` in the place of a gateway.
    via_any: bool,
    dev: Option<String>,
    onlink: bool,
    blackhole: bool,
    members: Option<Vec<(u32, u16)>>,
    resilient: Option<ResilientWords>,
}

fn read_words(words: &mut Words<'_>) -> Parse<Read> {
    let mut read = Read::default();
    while let Some(word) = words.take() {
        if word == "id" {
            read.id = Some(read_id(words)?);
        } else if word == "dev" {
            read.dev = Some(words.value()?.to_owned());
            if read.via.is_none() {
                words.set_family(words.family().or_four());
            }
        } else if word == "via" {
            match words.gateway()? {
                Some(via) => read.via = Some(via),
                None => read.via_any = true,
            }
        } else if word == "encap" || word == "fdb" {
            return words.unsupported(format!("nexthop {word}"));
        } else if word == "blackhole" {
            read.blackhole = true;
        } else if word == "onlink" {
            read.onlink = true;
        } else if word == "group" {
            read.members = Some(read_group(words)?);
        } else if word == "type" {
            read.resilient = read_type(words)?;
        } else if abbreviates(word, "protocol") {
            read.protocol = words.named(names::PROTOS, 0, "\"protocol\" value is invalid")?;
        } else if word == "help" {
            return help(words);
        } else {
            return words.wrong(word, "");
        }
    }
    Ok(read)
}

/// An object, and what the kernel would refuse of it whatever else there is.
fn read_spec(words: &mut Words<'_>, replace: bool) -> Parse<(NexthopSpec, ResilientWords)> {
    let read = read_words(words)?;
    let of_family = read.via.is_some() || read.via_any || read.dev.is_some() || read.blackhole;
    if read.members.is_none() && !of_family {
        return kernel(words, "Error: Invalid address family.");
    }
    if replace && read.id.unwrap_or(0) == 0 {
        return kernel(words, "Error: Replace requires nexthop id.");
    }
    let said = read.resilient.unwrap_or_default();
    let kind = if let Some(members) = read.members {
        if of_family {
            return kernel(words, "Error: Invalid family for group.");
        }
        for (place, (id, _)) in members.iter().enumerate() {
            if members[..place].iter().any(|(other, _)| other == id) {
                return kernel(words, "Error: Nexthop id can not be used twice in a group.");
            }
        }
        if said.buckets == Some(0) {
            return kernel(words, "Error: Number of buckets needs to be non-0.");
        }
        if read.resilient.is_some() && !replace && said.buckets.is_none() {
            return kernel(
                words,
                "Error: Number of buckets not specified for nexthop group insertion.",
            );
        }
        NexthopKind::Group { members, resilient: read.resilient.map(|said| said.over(None)) }
    } else if read.blackhole {
        if read.via.is_some() || read.via_any || read.dev.is_some() {
            return kernel(
                words,
                "Error: Blackhole attribute can not be used with gateway, oif, encap or fdb.",
            );
        }
        NexthopKind::Blackhole
    } else {
        if read.dev.is_none() {
            return kernel(
                words,
                "Error: Device attribute required for non-blackhole and non-fdb nexthops.",
            );
        }
        if read.via_any {
            return kernel(words, "Error: Invalid gateway.");
        }
        if read.onlink && read.via.is_none() {
            return kernel(
                words,
                "Error: ONLINK flag can not be set for nexthop without a gateway.",
            );
        }
        // The unspecified address is no gateway: the destination is on the link.
        let via = read.via.filter(|via| !via.is_unspecified());
        NexthopKind::Via { via, dev: read.dev, onlink: read.onlink }
    };
    let six = read.via.map_or(words.family() == Inet::Six, |via| via.is_ipv6());
    let spec = NexthopSpec { id: read.id.unwrap_or(0), protocol: read.protocol, six, kind };
    Ok((spec, said))
}

/// `ID[,WEIGHT]/ID[,WEIGHT]/...`
fn read_group(words: &mut Words<'_>) -> Parse<Vec<(u32, u16)>> {
    let word = words.value()?;
    let number = |word: &str| c_number(word, 0).and_then(|n| u32::try_from(n).ok());
    let mut members = Vec::new();
    // ip cuts the word up as it goes, and what it complains of is the first piece that is left.
    let mut complaint = word.split(['/', ',']).next().unwrap_or(word);
    for member in word.split('/') {
        let (id, weight) = match member.split_once(',') {
            Some((id, weight)) => (id, Some(weight)),
            None => (member, None),
        };
        let Some(id) = number(id) else {
            return words.wrong(complaint, "\"group\" value is invalid");
        };
        let weight = match weight.map(|weight| (weight, number(weight))) {
            None => 1,
            Some((_, Some(weight @ 1..=256))) => u16::try_from(weight).unwrap_or(1),
            Some((weight, _)) => {
                complaint = weight;
                return words.wrong(complaint, "\"weight\" is invalid");
            }
        };
        members.push((id, weight));
    }
    Ok(members)
}

/// What stands after `type`.
fn read_type(words: &mut Words<'_>) -> Parse<Option<ResilientWords>> {
    match words.value()? {
        "mpath" => return Ok(None),
        "resilient" => {}
        word => return words.wrong(word, "\"type\" value is invalid"),
    }
    let mut said = ResilientWords::default();
    let seconds = |words: &mut Words<'_>, what| -> Parse<u32> {
        words.number(u32::MAX / 100 - 1, what).map(|seconds| seconds * 100)
    };
    while let Some(word) = words.peek() {
        if !matches!(word, "buckets" | "idle_timer" | "unbalanced_timer") {
            break;
        }
        words.take();
        match word {
            "buckets" => {
                let buckets = words.number(u32::from(u16::MAX), "invalid buckets value")?;
                said.buckets = u16::try_from(buckets).ok();
            }
            "idle_timer" => said.idle_timer = Some(seconds(words, "invalid idle timer value")?),
            _ => {
                said.unbalanced_timer = Some(seconds(words, "invalid unbalanced timer value")?);
            }
        }
    }
    Ok(Some(said))
}

fn read_delete(words: &mut Words<'_>) -> Parse<NexthopCommand> {
    let start = words.at();
    let read = read_words(words)?;
    let count = words.at() - start;
    match read.id {
        None => kernel(words, "Error: Nexthop id is missing."),
        Some(id) if count == 2 => Ok(NexthopCommand::Del(id)),
        Some(_) => kernel(words, "Error: Unknown attribute type."),
    }
}

fn read_filter(words: &mut Words<'_>) -> Parse<NexthopFilter> {
    let mut filter = NexthopFilter { family: words.family(), ..NexthopFilter::default() };
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if is("dev") {
            filter.dev = Some(words.value()?.to_owned());
        } else if is("groups") {
            filter.groups = true;
        } else if is("master") || is("vrf") {
            filter.master = Some(words.value()?.to_owned());
            filter.master_is_vrf = !is("master");
        } else if word == "id" {
            // ip looks no further.
            return Ok(NexthopFilter { id: Some(read_id(words)?), ..filter });
        } else if is("protocol") {
            let protocol = words.number(u32::MAX, "invalid protocol value")?;
            // No object has a greater one, which 255 says as well.
            filter.protocol = u8::try_from(protocol).unwrap_or(u8::MAX);
        } else if is("fdb") {
            return words.unsupported("nexthop fdb");
        } else if is("help") {
            return help(words);
        } else {
            return words.wrong(word, "");
        }
    }
    Ok(filter)
}

fn read_get(words: &mut Words<'_>) -> Parse<NexthopCommand> {
    let mut id = 0;
    while let Some(word) = words.take() {
        if word != "id" {
            return help(words);
        }
        id = read_id(words)?;
    }
    if id == 0 { help(words) } else { Ok(NexthopCommand::Get(id)) }
}

fn read_bucket(words: &mut Words<'_>) -> Parse<NexthopCommand> {
    let Some(verb) = words.take() else {
        return Ok(NexthopCommand::ShowBuckets(BucketFilter::default()));
    };
    let is = |full: &str| abbreviates(verb, full);
    if is("list") || is("show") || is("lst") {
        read_bucket_filter(words).map(NexthopCommand::ShowBuckets)
    } else if is("get") {
        let (mut id, mut index) = (0, None);
        while let Some(word) = words.take() {
            match word {
                "id" => id = read_id(words)?,
                "index" => {
                    let n = words.number(u32::from(u16::MAX), "invalid bucket index value")?;
                    index = u16::try_from(n).ok();
                }
                _ => return help(words),
            }
        }
        match index {
            Some(index) if id != 0 => Ok(NexthopCommand::GetBucket { id, index }),
            _ => help(words),
        }
    } else if is("help") {
        help(words)
    } else {
        words.fail(Fact::UnknownCommand { word: verb.to_owned(), object: "nexthop" })
    }
}

fn read_bucket_filter(words: &mut Words<'_>) -> Parse<BucketFilter> {
    let mut filter = BucketFilter::default();
    while let Some(word) = words.take() {
        let is = |full: &str| abbreviates(word, full);
        if is("dev") {
            filter.dev = Some(words.value()?.to_owned());
        } else if is("master") || is("vrf") {
            filter.master = Some(words.value()?.to_owned());
            filter.master_is_vrf = !is("master");
        } else if word == "id" {
            filter.id = Some(read_id(words)?);
        } else if word == "nhid" {
            filter.nhid = Some(read_id(words)?);
        } else if is("help") {
            return help(words);
        } else {
            return words.wrong(word, "");
        }
    }
    Ok(filter)
}
