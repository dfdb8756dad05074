//! Elements of sets and maps.
//!
//! - takes: JSON elements, and the types that they are of
//! - gives: [`Set`]s that workers look into
//! - obeys: libnftables-json(5), "SET", "MAP", "ELEMENT"; the kernel's refusal of ranges that overlap

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use super::{
    build::{Build, Named, Says, only},
    error::{Error, Path},
    expr::{no_others, text},
    types::{Kind, Type},
};
use crate::{
    graph::Nanos,
    netfilter::nft::{Data, Decision, Element, Elements, Range, Set, State, WIDEST},
};

/// First and last value of a range.
type Ends = (Vec<u8>, Vec<u8>);

/// An element's key without what stands beside it.
pub(super) fn bare(element: &Value) -> &Value {
    element.get("elem").and_then(|elem| elem.get("val")).unwrap_or(element)
}

/// An element of a map: its key and what it says.
pub(super) fn parts(element: &Value) -> (&Value, Option<&Value>) {
    match element.as_array().map(Vec::as_slice) {
        Some([key, data]) => (key, Some(data)),
        _ => (element, None),
    }
}

/// Whether an element is one of a map.
fn says(element: &Value) -> bool {
    parts(element).1.is_some()
}

/// What a set is made of beside its elements.
pub(super) struct Shape<'a> {
    pub(super) types: &'a [Type],
    pub(super) says: &'a Says,
    /// Statements that each element begins with.
    pub(super) stated: &'a [Value],
    /// Ranges that overlap are one.
    pub(super) merges: bool,
    /// Elements are remembered by what they are, not by their place.
    pub(super) named: bool,
}

impl Build<'_> {
    /// The bytes of a value that stands in the text, or of several, one behind the other.
    pub(super) fn constant(
        &self,
        value: &Value,
        types: &[Type],
        path: &Path<'_>,
    ) -> Result<Vec<u8>, Error> {
        let (from, to) = self.ends(value, types, path)?;
        if from == to {
            return Ok(from);
        }
        Err(Error::new(path, "a range cannot stand here", "write one value"))
    }

    /// First and last value that an element is.
    pub(super) fn ends(
        &self,
        value: &Value,
        types: &[Type],
        path: &Path<'_>,
    ) -> Result<Ends, Error> {
        if let [of] = types {
            return self.ends_of(value, *of, path);
        }
        let Some(("concat", Value::Array(parts))) = only(value) else {
            let what = "a concatenation is missing here";
            return Err(Error::new(path, what, "write {\"concat\": [...]}"));
        };
        if parts.len() != types.len() {
            let what = format!("{} values for {} fields", parts.len(), types.len());
            return Err(Error::new(path, what, "write one value for each field"));
        }
        let path = path.key("concat");
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (at, (part, of)) in parts.iter().zip(types).enumerate() {
            let (first, last) = self.ends_of(part, *of, &path.at(at))?;
            from.extend(first);
            to.extend(last);
        }
        Ok((from, to))
    }

    fn ends_of(&self, value: &Value, of: Type, path: &Path<'_>) -> Result<Ends, Error> {
        let read = |value: &Value, path: &Path<'_>| of.read(value, path, self.near);
        match only(value) {
            Some(("prefix", inside)) => {
                let path = path.key("prefix");
                no_others(inside, &["addr", "len"], &path)?;
                let first = inside.get("addr").unwrap_or(&Value::Null);
                let first = read(first, &path.key("addr"))?;
                let len = inside.get("len").and_then(Value::as_u64);
                let len = len.filter(|len| *len <= u64::from(of.bits)).ok_or_else(|| {
                    let hint = format!("write a number from 0 to {}", of.bits);
                    Error::new(&path.key("len"), "no such length of a prefix", hint)
                })?;
                Ok(prefix(&first, len as usize))
            }
            Some(("range", Value::Array(both))) => {
                let path = path.key("range");
                let [first, last] = both.as_slice() else {
                    return Err(Error::new(&path, "a range has two ends", "write two values"));
                };
                let (first, last) = (read(first, &path.at(0))?, read(last, &path.at(1))?);
                match first <= last {
                    true => Ok((first, last)),
                    false => Err(Error::new(
                        &path,
                        "Range has zero or negative size",
                        "write the smaller value first",
                    )),
                }
            }
            _ => match value.as_str().and_then(|text| text.strip_suffix('*')) {
                Some(text) if of.kind == Kind::IfName && !text.is_empty() => {
                    match text.strip_suffix('\\') {
                        Some(text) => {
                            let bytes = read(&Value::from(format!("{text}*")), path)?;
                            Ok((bytes.clone(), bytes))
                        }
                        None => Ok(prefix(&read(&Value::from(text), path)?, text.len() * 8)),
                    }
                }
                _ => {
                    let bytes = read(value, path)?;
                    Ok((bytes.clone(), bytes))
                }
            },
        }
    }

    /// A set without a name.
    pub(super) fn anonymous(
        &mut self,
        types: &[Type],
        says: Says,
        data: &Value,
        path: &Path<'_>,
    ) -> Result<Named, Error> {
        let Some(("set", inside)) = only(data) else {
            let what = format!("{data} is no set");
            return Err(Error::new(path, what, "write {\"set\": [...]} or \"@name\""));
        };
        let path = &path.key("set");
        let alone = std::slice::from_ref(inside);
        let list = inside.as_array().map_or(alone, Vec::as_slice);
        let shape = Shape { types, says: &says, stated: &[], merges: true, named: false };
        let elements: Vec<_> = list.iter().map(|element| (element, None)).collect();
        for (at, element) in list.iter().enumerate() {
            let timeout = parts(element).0.get("elem").and_then(|elem| elem.get("timeout"));
            if timeout.is_some() {
                let what = "elements of a set without a name have no timeout";
                return Err(Error::new(&path.at(at), what, "give the set a name"));
            }
        }
        let (set, spans) = self.elements(&shape, &elements, path)?;
        Ok(Named { set: Arc::new(set), types: types.to_vec(), says, spans, timeout: 0 })
    }

    /// A set of these elements; and whether what it says are ranges.
    pub(super) fn elements(
        &mut self,
        shape: &Shape<'_>,
        list: &[(&Value, Option<Nanos>)],
        path: &Path<'_>,
    ) -> Result<(Set, bool), Error> {
        let key_len: usize = shape.types.iter().map(|of| of.len()).sum();
        if key_len > WIDEST {
            let what = "keys of this type are too long";
            return Err(Error::new(path, what, format!("join up to {WIDEST} bytes")));
        }
        let says_spans = list.iter().any(|(element, _)| {
            let data = parts(element).1;
            matches!(shape.says, Says::Values(_)) && data.is_some_and(is_span)
        });
        let mut all: Vec<(Vec<u8>, Vec<u8>, Element, usize)> = Vec::new();
        let mut otherwise = None;
        for (at, (element, until)) in list.iter().enumerate() {
            let path = path.at(at);
            let (key, data) = parts(element);
            let known = ["val", "timeout", "expires", "comment", "counter", "limit", "quota"];
            if let Some(elem) = key.get("elem") {
                no_others(elem, &known, &path.key("elem"))?;
            }
            let data = self.data(shape.says, data, says_spans, &path)?;
            let place = path.at(0);
            let at_key = if says(element) { &place } else { &path };
            let states = self.element_states(shape, key, at_key)?;
            let made = Element { data, states, until: *until };
            let key = bare(key);
            if key.as_str() == Some("*") && shape.types.len() == 1 {
                otherwise = Some(made);
                continue;
            }
            let (from, to) = self.ends(key, shape.types, &path)?;
            all.push((from, to, made, at));
        }
        let fields: Box<[u8]> = shape.types.iter().map(|of| of.len() as u8).collect();
        let ranges = all.iter().any(|(from, to, ..)| from != to);
        let elements = match (ranges, shape.types.len()) {
            (false, _) => Elements::Keys(keys(all, shape, path)?),
            (true, 1) => Elements::Ranges(in_order(all, shape, path)?),
            (true, _) => {
                let boxed = |(from, to, element, _): (Vec<u8>, Vec<u8>, Element, usize)| -> Range {
                    (from.into(), to.into(), element)
                };
                Elements::Boxes(all.into_iter().map(boxed).collect())
            }
        };
        Ok((Set { key_len, fields, elements, otherwise }, says_spans))
    }

    /// What an element says.
    fn data(
        &mut self,
        says: &Says,
        data: Option<&Value>,
        spans: bool,
        path: &Path<'_>,
    ) -> Result<Data, Error> {
        let missing = || {
            let hint = "write elements of a map as [key, value]";
            Error::new(path, "the element says nothing", hint)
        };
        let path = &path.at(1);
        Ok(match says {
            Says::Nothing if data.is_none() => Data::None,
            Says::Nothing => {
                let hint = "write elements of a set as values";
                return Err(Error::new(path, "elements of a set say nothing", hint));
            }
            Says::Values(types) => {
                let (mut from, to) = self.ends(data.ok_or_else(missing)?, types, path)?;
                if spans {
                    from.extend(to);
                }
                Data::Value(from.into())
            }
            Says::Verdict => Data::Decision(self.verdict(data.ok_or_else(missing)?, path)?),
            Says::Object(kind) => {
                let name = data.and_then(Value::as_str).ok_or_else(missing)?;
                let found = self.members.objects.get(&(kind.clone(), name.to_owned()));
                Data::Object(found.cloned().ok_or_else(|| {
                    let what = format!("No such file or directory: {kind} {name:?}");
                    Error::new(path, what, "declare it in the same table")
                })?)
            }
        })
    }

    /// What becomes of a packet.
    pub(super) fn verdict(&mut self, value: &Value, path: &Path<'_>) -> Result<Decision, Error> {
        let (word, inside) = match value {
            Value::String(word) => (word.as_str(), &Value::Null),
            _ => only(value).unwrap_or(("", &Value::Null)),
        };
        Ok(match word {
            "accept" => Decision::Accept,
            "drop" => Decision::Drop,
            "return" => Decision::Return,
            "continue" => Decision::Continue,
            "jump" | "goto" => {
                let path = path.key(word);
                no_others(inside, &["target"], &path)?;
                let name = text(inside, "target", &path)?;
                let Some(&chain) = self.members.chains.get(name) else {
                    let what = format!("No such file or directory: chain {name:?}");
                    return Err(Error::new(&path.key("target"), what, "add the chain first"));
                };
                self.calls.push((chain, path.to_string()));
                if word == "jump" { Decision::Jump(chain) } else { Decision::Goto(chain) }
            }
            _ => {
                let what = format!("{value} is no verdict");
                let hint = "what may stand here: accept, drop, return, continue, jump, goto";
                return Err(Error::new(path, what, hint));
            }
        })
    }

    /// What an element remembers.
    fn element_states(
        &mut self,
        shape: &Shape<'_>,
        key: &Value,
        path: &Path<'_>,
    ) -> Result<Vec<(State, bool)>, Error> {
        let mut states = Vec::new();
        let name = bare(key).to_string();
        let root = Path::Root;
        let base = if shape.named { root.key(&name) } else { path.key("elem") };
        for kind in ["counter", "limit", "quota"] {
            let own = key.get("elem").and_then(|elem| elem.get(kind));
            let stated = shape.stated.iter().find_map(|stated| stated.get(kind));
            let Some(value) = own.or(stated) else { continue };
            states.push(self.stateful(kind, value, &base.key(kind))?);
        }
        Ok(states)
    }
}

/// First and last value of a prefix.
fn prefix(first: &[u8], len: usize) -> Ends {
    let mask = |at: usize| match len.saturating_sub(at * 8) {
        8.. => 0xff_u8,
        bits => !(0xff_u8.checked_shr(bits as u32).unwrap_or(0)),
    };
    let from: Vec<u8> = first.iter().enumerate().map(|(at, byte)| byte & mask(at)).collect();
    let to = from.iter().enumerate().map(|(at, byte)| byte | !mask(at)).collect();
    (from, to)
}

/// Whether a value is a range, or one of its parts is.
fn is_span(value: &Value) -> bool {
    match only(value) {
        Some(("prefix" | "range", _)) => true,
        Some(("concat", Value::Array(parts))) => parts.iter().any(is_span),
        _ => false,
    }
}

type Made = (Vec<u8>, Vec<u8>, Element, usize);

fn conflict(path: &Path<'_>, at: usize) -> Error {
    Error::new(
        &path.at(at),
        "conflicting intervals specified",
        "take one of the two away, or give the set the flag auto-merge",
    )
}

fn keys(
    all: Vec<Made>,
    shape: &Shape<'_>,
    path: &Path<'_>,
) -> Result<HashMap<Box<[u8]>, Element>, Error> {
    let mut keys = HashMap::with_capacity(all.len());
    for (key, _, element, at) in all {
        let says = !matches!(shape.says, Says::Nothing);
        if keys.insert(key.into(), element).is_some() && says {
            let what = "File exists: the key stands in the map twice";
            return Err(Error::new(&path.at(at), what, "take one of the two away"));
        }
    }
    Ok(keys)
}

/// Ranges in order, which do not overlap.
fn in_order(mut all: Vec<Made>, shape: &Shape<'_>, path: &Path<'_>) -> Result<Vec<Range>, Error> {
    all.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
    let mut ranges: Vec<Range> = Vec::with_capacity(all.len());
    for (from, to, element, at) in all {
        if let Some((first, last, _)) = ranges.last_mut()
            && from.as_slice() <= last.as_ref()
        {
            let same = from.as_slice() == first.as_ref() && to.as_slice() == last.as_ref();
            if !matches!(shape.says, Says::Nothing) || !shape.merges && !same {
                return Err(conflict(path, at));
            }
            if to.as_slice() > last.as_ref() {
                *last = to.into();
            }
            continue;
        }
        ranges.push((from.into(), to.into(), element));
    }
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_goes_from_its_first_to_its_last_value() {
        assert_eq!(prefix(&[10, 1, 2, 3], 8), (vec![10, 0, 0, 0], vec![10, 255, 255, 255]));
        assert_eq!(prefix(&[10, 1, 2, 3], 20), (vec![10, 1, 0, 0], vec![10, 1, 15, 255]));
        assert_eq!(prefix(&[10, 1], 16), (vec![10, 1], vec![10, 1]));
        assert_eq!(prefix(&[10, 1], 0), (vec![0, 0], vec![255, 255]));
    }
}
