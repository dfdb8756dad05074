//! Elements that an operator states in sets that packets change as well.
//!
//! - takes: what was stated since the last time
//! - gives: the same in the tables that workers use

use serde_json::Value;

use super::{
    build::{Build, Says},
    error::{Error, Path},
    model::{self, Ruleset},
    rates::counted,
    set::{bare, parts},
};
use crate::{graph::Nanos, netfilter::nft::Stated as Kind};

const SECOND: u64 = 1_000_000_000;

/// An element ready to be put into a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) key: Vec<u8>,
    pub(super) data: Vec<u8>,
    /// How long it stays, and how long yet.
    pub(super) timeout: Nanos,
    pub(super) left: Nanos,
    /// What its counter begins with.
    pub(super) counted: (u64, u64),
}

impl Stated {
    /// Reads an element of a set.
    pub(super) fn read(
        element: &model::Element,
        set: &model::Set,
        build: &Build<'_>,
    ) -> Result<Self, Error> {
        let root = Path::Root;
        let path = root.key("elem");
        let (key, data) = parts(&element.value);
        let elem = key.get("elem");
        if let Some(elem) = elem {
            let known = ["val", "timeout", "expires", "comment", "counter", "limit", "quota"];
            super::expr::no_others(elem, &known, &path.key("elem"))?;
        }
        let seconds = |name: &str| elem.and_then(|elem| elem.get(name)?.as_u64());
        let timeout = seconds("timeout").map_or(set.timeout, |s| s.saturating_mul(SECOND));
        let left = seconds("expires").map_or(timeout, |s| s.saturating_mul(SECOND));
        let counted = match elem.and_then(|elem| elem.get("counter")) {
            Some(value) => counted(value, &path.key("counter"))?,
            None => (0, 0),
        };
        let data = match (&set.says, data) {
            (Says::Values(types), Some(data)) => build.constant(data, types, &path)?,
            (Says::Nothing, None) => Vec::new(),
            _ => {
                let what = "the element says nothing, or says what the set does not hold";
                return Err(Error::new(&path, what, "write elements of maps as [key, value]"));
            }
        };
        let key = build.constant(bare(key), &set.types, &path)?;
        Ok(Self { key, data, timeout, left, counted })
    }
}

/// Puts what was stated into the tables, and takes out what is to go.
pub(super) fn settle(ruleset: &mut Ruleset, how: super::lower::For<'_>) {
    let mut program = crate::netfilter::nft::Program::default();
    for table in &mut ruleset.tables {
        let members = super::build::Members::default();
        for set in &mut table.sets {
            let Some(live) = set.live.clone() else { continue };
            let mut states = super::build::States::new();
            let build = Build::new(
                how.near,
                table.family,
                &members,
                &mut program,
                &mut states,
                how.workers,
            );
            if std::mem::take(&mut set.cleared) {
                live.clear();
            }
            for removed in std::mem::take(&mut set.removed) {
                let gone = model::Element { value: removed, until: None, origin: String::new() };
                if let Ok(gone) = Stated::read(&gone, set, &build) {
                    live.remove(&gone.key, how.now);
                }
            }
            for element in std::mem::take(&mut set.elements) {
                // It was read before, so that nothing is wrong with it.
                let Ok(one) = Stated::read(&element, set, &build) else { continue };
                let Some((place, new)) = live.add(&one.key, &one.data, one.timeout, how.now) else {
                    continue;
                };
                if new && one.left != one.timeout {
                    place.expires(one.left, how.now);
                }
                let counts = live.stated.iter().position(|stated| *stated == Kind::Count);
                if let Some(counts) = counts.filter(|_| new) {
                    place.remember(counts, [one.counted.0, one.counted.1]);
                }
            }
        }
    }
}

/// The elements of a table that packets change, as they would be stated.
pub(super) fn list(set: &model::Set, near: super::types::Near<'_>, now: Nanos) -> Vec<Value> {
    use serde_json::json;
    let Some(live) = &set.live else { return Vec::new() };
    let value = |types: &[super::types::Type], bytes: &[u8]| {
        let mut at = 0;
        let mut parts: Vec<Value> = types
            .iter()
            .map(|of| {
                let end = (at + of.len()).min(bytes.len());
                let part = of.show(&bytes[at.min(end)..end], near);
                at = end;
                part
            })
            .collect();
        if parts.len() == 1 { parts.remove(0) } else { json!({ "concat": parts }) }
    };
    let mut all: Vec<Value> = Vec::new();
    let mut listed = live.list(now);
    listed.sort_by(|one, other| one.key.cmp(&other.key));
    for one in listed {
        let key = value(&set.types, &one.key);
        let mut elem = serde_json::Map::new();
        if one.timeout != 0 {
            if one.timeout != set.timeout {
                elem.insert("timeout".into(), json!(one.timeout / SECOND));
            }
            elem.insert("expires".into(), json!(one.left / SECOND));
        }
        for (stated, words) in live.stated.iter().zip(&one.states) {
            match stated {
                Kind::Count => {
                    let counted = json!({ "packets": words[0], "bytes": words[1] });
                    elem.insert("counter".into(), counted);
                }
                Kind::Limit(rate, over) => {
                    elem.insert("limit".into(), super::show::limit(rate, *over));
                }
                Kind::Quota(most, over) => {
                    elem.insert("quota".into(), super::show::quota(*most, words[0], *over));
                }
            }
        }
        let key = match elem.is_empty() {
            true => key,
            false => {
                elem.insert("val".into(), key);
                json!({ "elem": elem })
            }
        };
        all.push(match &set.says {
            Says::Values(types) => json!([key, value(types, &one.data)]),
            _ => key,
        });
    }
    all
}
