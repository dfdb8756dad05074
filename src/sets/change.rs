//! Elements come and go by command.
//!
//! - takes: the words of `add`, `del` and `test`
//! - gives: a [`Change`], and carries it out
//! - obeys: `ipset` 7.17

use super::{
    book::{Book, Named, no_set},
    create::LONGEST,
    element::Element,
    error::{Error, number},
    kind::Kind,
    names::Services,
    read::{self, Written},
    table::{Denied, Extensions, Question},
};
use crate::graph::Nanos;

/// Where in a list: before or behind another member.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Beside {
    before: bool,
    of: String,
}

/// What an element is.
#[derive(Clone, Debug)]
enum What {
    Elements(Box<Written>),
    Member(String, Option<Beside>),
}

/// An element to be put in or taken out.
#[derive(Clone, Debug)]
pub(super) struct Change {
    set: String,
    del: bool,
    exist: bool,
    what: What,
    with: Extensions,
    comment: Option<String>,
}

impl Change {
    /// Whether it is of the same kind, for the same set.
    pub(super) fn is_with(&self, del: bool, set: &str) -> bool {
        self.del == del && self.set == set
    }
}

fn skbmark(text: &str) -> Result<(u32, u32), Error> {
    let hex =
        |text: &str| text.strip_prefix("0x").and_then(|text| u32::from_str_radix(text, 16).ok());
    let read = match text.split_once('/') {
        Some((mark, mask)) => hex(mark).zip(hex(mask)),
        None => hex(text).map(|mark| (mark, u32::MAX)),
    };
    read.ok_or_else(|| {
        Error::syntax("Invalid skbmark format, it should be:  MARK/MASK or MARK (see manpage)")
    })
}

fn skbprio(text: &str) -> Result<u32, Error> {
    let hex = |text: &str| u16::from_str_radix(text, 16).ok().map(u32::from);
    let read = text.split_once(':').and_then(|(major, minor)| hex(major).zip(hex(minor)));
    read.map(|(major, minor)| major << 16 | minor).ok_or_else(|| {
        Error::syntax("Invalid skbprio format, it should be:MAJOR:MINOR (see manpage)")
    })
}

fn comment_of(text: &str) -> Result<String, Error> {
    if text.contains('"') {
        return Err(Error::syntax("\" character is not permitted in comments"));
    }
    if text.len() > 255 {
        return Err(Error::syntax("Comment is longer than the maximum allowed 255 characters"));
    }
    Ok(text.to_owned())
}

/// Reads an element to be put in or taken out, with what follows it.
pub(super) fn read(
    set: &Named,
    element: &str,
    words: &[&str],
    del: bool,
    exist: bool,
    services: Services,
) -> Result<Change, Error> {
    let spec = set.table.spec();
    let mut what = what(set, element, services)?;
    let mut with =
        Extensions { timeout: spec.timeout.unwrap_or_default(), ..Extensions::default() };
    let mut comment = None;
    let (mut timed, mut counted, mut informed) = (false, false, false);
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        let mut value = || {
            rest.next().ok_or_else(|| {
                Error::words(format!("Missing mandatory argument of option `{word}'"))
            })
        };
        match (word, &mut what) {
            ("before" | "after", What::Member(_, beside)) => {
                *beside = Some(Beside { before: word == "before", of: value()?.to_owned() });
            }
            ("nomatch", What::Elements(written)) if spec.kind.has_nets() => written.exempt(),
            (_, _) if del => return Err(unknown(word)),
            ("timeout", _) => {
                with.timeout = number(value()?, 0, LONGEST)? as u32;
                timed = true;
            }
            ("packets", _) => {
                with.packets = number(value()?, 0, u64::MAX)?;
                counted = true;
            }
            ("bytes", _) => {
                with.bytes = number(value()?, 0, u64::MAX)?;
                counted = true;
            }
            ("comment", _) => comment = Some(comment_of(value()?)?),
            ("skbmark", _) => {
                with.skb.mark = skbmark(value()?)?;
                informed = true;
            }
            ("skbprio", _) => {
                with.skb.priority = skbprio(value()?)?;
                informed = true;
            }
            ("skbqueue", _) => {
                with.skb.queue = number(value()?, 0, u16::MAX.into())? as u16;
                informed = true;
            }
            (word, _) => return Err(unknown(word)),
        }
    }
    let without = [
        (
            timed && spec.timeout.is_none(),
            "Timeout cannot be used: set was created without timeout support",
        ),
        (
            counted && !spec.counters,
            "Packet/byte counters cannot be used: set was created without counter support",
        ),
        (
            comment.is_some() && !spec.comment,
            "Comment cannot be used: set was created without comment support",
        ),
        (
            informed && !spec.skbinfo,
            "Skbinfo mapping cannot be used: set was created without skbinfo support",
        ),
    ];
    if let Some((_, why)) = without.iter().find(|(is_so, _)| *is_so) {
        return Err(Error::kernel(*why));
    }
    let comment = comment.filter(|text| !text.is_empty());
    Ok(Change { set: set.name.clone(), del, exist, what, with, comment })
}

fn unknown(word: &str) -> Error {
    Error::words(format!("Unknown argument: `{word}'"))
}

fn what(set: &Named, element: &str, services: Services) -> Result<What, Error> {
    let spec = set.table.spec();
    if spec.kind != Kind::List {
        let written = read::element(element, spec, services)?;
        return Ok(What::Elements(Box::new(written)));
    }
    let mut words = element.split(',');
    let member = words.next().unwrap_or_default().to_owned();
    let beside = match (words.next(), words.next(), words.next()) {
        (None, ..) => None,
        (Some(way @ ("before" | "after")), Some(of), None) => {
            Some(Beside { before: way == "before", of: of.to_owned() })
        }
        _ => {
            let why = "you must specify elements as setname,[before|after],setname";
            return Err(Error::plain(why));
        }
    };
    Ok(What::Member(member, beside))
}

/// Carries a change out. Of many elements those before the first that is refused have changed.
pub(super) fn make(book: &mut Book, change: Change, now: Nanos) -> Result<(), Error> {
    let Change { set: name, del, exist, what, mut with, comment } = change;
    if let Some(comment) = comment {
        book.serial += 1;
        with.comment = book.serial;
        let set = book.find_mut(&name).ok_or_else(no_set)?;
        set.comments.insert(with.comment, comment);
    }
    let written = match what {
        What::Elements(written) => written,
        What::Member(member, beside) => {
            let done = member_change(book, &name, del, &member, beside.as_ref(), &with, now);
            return done.or_else(|fault| match fault {
                Fault::Stands if exist => Ok(()),
                Fault::Stands => Err(stands(del)),
                Fault::Other(why) => Err(Error::kernel(why)),
            });
        }
    };
    let set = book.find(&name).ok_or_else(no_set)?;
    let table = &set.table;
    table.expire(now);
    written.each(|element| {
        read::is_held(element, table.spec())?;
        if del {
            return if table.del(element, now) || exist { Ok(()) } else { Err(stands(true)) };
        }
        match table.add(element, &with, exist, now) {
            Ok(()) => Ok(()),
            Err(Denied::Exists) => Err(stands(false)),
            Err(Denied::Full) => Err(Error::kernel("Hash is full, cannot add more elements")),
        }
    })
}

/// Nothing is as it would have to be to change.
fn stands(del: bool) -> Error {
    Error::kernel(if del {
        "Element cannot be deleted from the set: it's not added"
    } else {
        "Element cannot be added to the set: it's already added"
    })
}

enum Fault {
    Stands,
    Other(&'static str),
}

const NO_MEMBER: Fault = Fault::Other("Set to be added/deleted/tested as element does not exist.");
const NOT_THERE: Fault =
    Fault::Other("The set to which you referred with 'before' or 'after' is not added to the set.");

fn member_change(
    book: &mut Book,
    list: &str,
    del: bool,
    member: &str,
    beside: Option<&Beside>,
    with: &Extensions,
    now: Nanos,
) -> Result<(), Fault> {
    let kind = book.find(member).ok_or(NO_MEMBER)?.table.spec().kind;
    if kind == Kind::List {
        return Err(Fault::Other("Sets with list:set type cannot be added to the set."));
    }
    if beside.is_some_and(|beside| !book.has(&beside.of)) {
        let why = "The set to which you referred with 'before' or 'after' does not exist.";
        return Err(Fault::Other(why));
    }
    book.serial += 1;
    let number = book.serial;
    let set = book.find_mut(list).ok_or(NO_MEMBER)?;
    forget_members(set, now);
    let had = set.members.iter().position(|(name, _)| name == member);
    let element = |number: u64| Element { ip: [number.into(), 0], ..Element::default() };
    if del {
        let Some(at) = had else {
            return Err(if beside.is_some() { NOT_THERE } else { Fault::Stands });
        };
        if !stands_beside(set, at, beside) {
            return Err(NOT_THERE);
        }
        let (_, number) = set.members.remove(at);
        set.table.del(&element(number), now);
    } else {
        if let Some(at) = had {
            let number = set.members[at].1;
            let _ = set.table.add(&element(number), with, true, now);
            return Err(Fault::Stands);
        }
        let at = match beside {
            None => set.members.len(),
            Some(Beside { before, of }) => {
                let at = set.members.iter().position(|(name, _)| name == of).ok_or(NOT_THERE)?;
                at + usize::from(!before)
            }
        };
        if set.table.add(&element(number), with, false, now).is_err() {
            return Err(Fault::Other("Set is full, more elements cannot be added."));
        }
        set.members.insert(at, (member.to_owned(), number));
    }
    book.change();
    Ok(())
}

/// Members whose time is over are no members.
fn forget_members(set: &mut Named, now: Nanos) {
    let there = set.table.elements(now);
    set.members.retain(|(_, number)| {
        there.iter().any(|(element, _)| element.ip[0] == u128::from(*number))
    });
}

fn stands_beside(set: &Named, at: usize, beside: Option<&Beside>) -> bool {
    beside.is_none_or(|Beside { before, of }| {
        let neighbour = if *before { at.checked_add(1) } else { at.checked_sub(1) };
        neighbour.and_then(|at| set.members.get(at)).is_some_and(|(name, _)| name == of)
    })
}

/// Whether an element is in a set, and how it is told.
pub(super) fn test(
    set: &Named,
    element: &str,
    words: &[&str],
    now: Nanos,
    services: Services,
) -> Result<(bool, String), Error> {
    let asked = read(set, element, words, true, false, services)?;
    match asked.what {
        What::Elements(written) => {
            let first = written.first();
            let place = set.table.find(&first, &Question::default(), now);
            let wanted = first.is_exempt();
            let held = place.is_some_and(|place| set.table.is_exempt(place) == wanted);
            Ok((held, element.to_owned()))
        }
        What::Member(member, beside) => {
            let at = set.members.iter().position(|(name, _)| *name == member);
            let held = at.is_some_and(|at| stands_beside(set, at, beside.as_ref()));
            let told = match &beside {
                // As the real one says it, whichever was asked.
                Some(Beside { of, .. }) => format!("{member} after {of}"),
                None => member,
            };
            Ok((held, told))
        }
    }
}
