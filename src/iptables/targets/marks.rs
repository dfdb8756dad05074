//! Marks: `MARK`, `CONNMARK`, `CLASSIFY`.
//!
//! - takes: their options
//! - gives: [`Target::Mark`] and its like
//! - obeys: `iptables-extensions(8)`; whatever way a mark was set, it prints as `--set-xmark`

use std::fmt::Write as _;

use crate::netfilter::rule::{Connmark, Hook, Masked, Target};

use super::super::error::{Fact, Parse};
use super::super::options::{Args, Kind, bad_word, opt};
use super::super::registry::{Families, Place, TargetEntry, free};

const WORD: Kind = Kind::Uint(0, u32::MAX as u64);

/// What the options that set a mark make of it.
fn setting(args: &Args) -> Option<Masked<u32>> {
    let bits = |name: &str| args.uint::<u32>(name).map(|bits| bits.value);
    if let Some(mark) = args.mark("set-xmark") {
        return Some(mark.value);
    }
    if let Some(mark) = args.mark("set-mark") {
        let Masked { value, mask } = mark.value;
        return Some(Masked { value, mask: mask | value });
    }
    if let Some(bits) = bits("and-mark") {
        return Some(Masked { value: 0, mask: !bits });
    }
    if let Some(bits) = bits("or-mark") {
        return Some(Masked { value: bits, mask: bits });
    }
    bits("xor-mark").map(|bits| Masked { value: bits, mask: 0 })
}

fn save_setting(out: &mut String, mark: Masked<u32>) {
    let _ = write!(out, " --set-xmark {:#x}/{:#x}", mark.value, mark.mask);
}

fn list_setting(out: &mut String, mark: Masked<u32>) {
    let Masked { value, mask } = mark;
    let _ = if value == 0 {
        write!(out, " and {:#x}", !mask)
    } else if value == mask {
        write!(out, " or {value:#x}")
    } else if mask == 0 {
        write!(out, " xor {value:#x}")
    } else if mask == u32::MAX {
        write!(out, " set {value:#x}")
    } else {
        write!(out, " xset {value:#x}/{mask:#x}")
    };
}

pub(super) static MARK: TargetEntry = TargetEntry {
    name: "MARK",
    families: Families::Both,
    place: Place::ANY,
    options: &[
        opt(&["set-xmark"], Kind::Mark).excludes(&["set-mark", "and-mark", "or-mark", "xor-mark"]),
        opt(&["set-mark"], Kind::Mark).excludes(&["set-xmark", "and-mark", "or-mark", "xor-mark"]),
        opt(&["and-mark"], WORD).excludes(&["set-xmark", "set-mark", "or-mark", "xor-mark"]),
        opt(&["or-mark"], WORD).excludes(&["set-xmark", "set-mark", "and-mark", "xor-mark"]),
        opt(&["xor-mark"], WORD).excludes(&["set-xmark", "set-mark", "and-mark", "or-mark"]),
    ],
    build: |args| {
        let says = "MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required";
        Ok(Target::Mark(setting(args).ok_or(Fact::Says(says))?))
    },
    save: |of, out| {
        let Target::Mark(mark) = of else { return false };
        save_setting(out, *mark);
        true
    },
    list: |of, out, _| {
        let Target::Mark(mark) = of else { return false };
        out.push_str(" MARK");
        list_setting(out, *mark);
        true
    },
    check: free,
};

fn build_connmark(args: &Args) -> Parse<Target> {
    let bits = |name: &str| args.uint::<u32>(name).map(|bits| bits.value);
    let both = bits("mask");
    let ct_mask = bits("ctmask").or(both).unwrap_or(u32::MAX);
    let nf_mask = bits("nfmask").or(both).unwrap_or(u32::MAX);
    let of = if let Some(mut mark) = setting(args) {
        if let Some(mask) = both {
            mark.mask = mask;
        }
        Connmark::Set(mark)
    } else if args.has("save-mark") {
        Connmark::Save { ct_mask, nf_mask }
    } else if args.has("restore-mark") {
        Connmark::Restore { ct_mask, nf_mask }
    } else {
        return Err(Fact::Says("CONNMARK target: No operation specified").into());
    };
    Ok(Target::Connmark(of))
}

fn list_connmark(of: Connmark, out: &mut String) {
    out.push_str(" CONNMARK");
    let (word, own, mask, other, second) = match of {
        Connmark::Set(mark) => return list_setting(out, mark),
        Connmark::Save { ct_mask, nf_mask } => ("save", "nfmask", nf_mask, "ctmask", ct_mask),
        Connmark::Restore { ct_mask, nf_mask } => ("restore", "ctmask", ct_mask, "nfmask", nf_mask),
    };
    let _ = write!(out, " {word}");
    if mask == u32::MAX && second == u32::MAX {
        return;
    }
    let _ = if mask == second {
        write!(out, " mask {mask:#x}")
    } else {
        write!(out, " {own} {mask:#x} {other} ~{second:#x}")
    };
}

pub(super) static CONNMARK: TargetEntry = TargetEntry {
    name: "CONNMARK",
    families: Families::Both,
    place: Place::ANY,
    options: &[
        opt(&["set-xmark"], Kind::Mark).excludes(&[
            "set-mark",
            "and-mark",
            "or-mark",
            "xor-mark",
            "save-mark",
            "restore-mark",
        ]),
        opt(&["set-mark"], Kind::Mark).excludes(&[
            "set-xmark",
            "and-mark",
            "or-mark",
            "xor-mark",
            "save-mark",
            "restore-mark",
        ]),
        opt(&["and-mark"], WORD).excludes(&[
            "set-xmark",
            "set-mark",
            "or-mark",
            "xor-mark",
            "save-mark",
            "restore-mark",
        ]),
        opt(&["or-mark"], WORD).excludes(&[
            "set-xmark",
            "set-mark",
            "and-mark",
            "xor-mark",
            "save-mark",
            "restore-mark",
        ]),
        opt(&["xor-mark"], WORD).excludes(&[
            "set-xmark",
            "set-mark",
            "and-mark",
            "or-mark",
            "save-mark",
            "restore-mark",
        ]),
        opt(&["save-mark"], Kind::Flag).excludes(&[
            "set-xmark",
            "set-mark",
            "and-mark",
            "or-mark",
            "xor-mark",
            "restore-mark",
        ]),
        opt(&["restore-mark"], Kind::Flag).excludes(&[
            "set-xmark",
            "set-mark",
            "and-mark",
            "or-mark",
            "xor-mark",
            "save-mark",
        ]),
        opt(&["ctmask"], WORD).excludes(&["mask"]),
        opt(&["nfmask"], WORD).excludes(&["mask"]),
        opt(&["mask"], WORD).excludes(&["ctmask", "nfmask"]),
    ],
    build: build_connmark,
    save: |of, out| {
        let Target::Connmark(of) = of else { return false };
        match *of {
            Connmark::Set(mark) => save_setting(out, mark),
            Connmark::Save { ct_mask, nf_mask } => {
                let _ = write!(out, " --save-mark --nfmask {nf_mask:#x} --ctmask {ct_mask:#x}");
            }
            Connmark::Restore { ct_mask, nf_mask } => {
                let _ = write!(out, " --restore-mark --nfmask {nf_mask:#x} --ctmask {ct_mask:#x}");
            }
        }
        true
    },
    list: |of, out, _| {
        let Target::Connmark(of) = of else { return false };
        list_connmark(*of, out);
        true
    },
    check: free,
};

pub(super) static CLASSIFY: TargetEntry = TargetEntry {
    name: "CLASSIFY",
    families: Families::Both,
    place: Place::ANY.hooks(&[Hook::LocalOut, Hook::Forward, Hook::PostRouting]),
    options: &[opt(&["set-class"], Kind::Text).required()],
    build: |args| {
        let text = args.text("set-class").map_or("", |words| words.value);
        let half = |text: &str| u16::from_str_radix(text, 16).ok();
        let parts = text
            .split_once(':')
            .and_then(|(major, minor)| Some((u32::from(half(major)?), u32::from(half(minor)?))));
        let (major, minor) = parts.ok_or_else(|| bad_word("Bad class value \"", text, "\""))?;
        Ok(Target::Classify(major << 16 | minor))
    },
    save: |of, out| {
        let Target::Classify(class) = of else { return false };
        let _ = write!(out, " --set-class {:04x}:{:04x}", class >> 16, class & 0xFFFF);
        true
    },
    list: |of, out, _| {
        let Target::Classify(class) = of else { return false };
        let _ = write!(out, " CLASSIFY set {:x}:{:x}", class >> 16, class & 0xFFFF);
        true
    },
    check: free,
};
