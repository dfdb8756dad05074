//! What netfilter does: rule files, and stories of frames that meet them.
//!
//! A story is a text, `stories/NAME.txt`; its rules are `rules/NAME.v4` and `rules/NAME.v6`, in the format of
//! `iptables-save`, where there are such files. At its end connections and rules are listed, with what the
//! rules have counted. What stands in a story is said in [`story`], what stands for a packet in [`spec`].

mod segments;
mod spec;
mod story;

pub(crate) use story::story;
