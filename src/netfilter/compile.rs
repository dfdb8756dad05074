//! From rules as an operator states them to a [`Program`].
//!
//! - takes: a [`Ruleset`], the interfaces there are, what the last program left in [`Slots`]
//! - gives: a [`Program`], or the first [`Fault`]; after a fault nothing has changed
//! - costs: a millisecond for a thousand rules, on the management core
//!
//! Names of interfaces become sets of their indices, so that a program is made anew when interfaces
//! come, go or change their names.

use std::collections::HashMap;

use super::check::{Fault, check};
use super::counters::{Place, Slots};
use super::index::Index;
use super::matches::{Maker, Test};
use super::memory::{Memory, Named};
use super::program::{Act, Chain, Entry, IfaceSets, Op, Program, flag};
use super::rule::{self, Basic, Iface, Is, Prefix, Ruleset, TableName, Target};
use super::targets::Effect;
use super::view::bits;

/// The interfaces that there are: indices, none of them 0, and names.
pub type Links<'a> = &'a [(u16, &'a str)];

/// Makes a program of a rule set.
///
/// Rules that were in the last program that was made with `slots` keep their counts and what their
/// matches remember, but for the tables that are `renewed`: those begin again with the counts that the
/// rule set says, as after `iptables-restore`.
///
/// # Errors
///
/// What the kernel would refuse at load.
pub fn compile(
    ruleset: &Ruleset,
    links: Links<'_>,
    slots: &mut Slots,
    renewed: &[TableName],
) -> Result<Program, Fault> {
    check(ruleset)?;
    let plan = slots.plan(ruleset);
    let mut build = Build::new(links);
    let mut memories: HashMap<Place, Vec<Memory>> = HashMap::new();
    let mut named: HashMap<String, Named> = HashMap::new();
    for table in &ruleset.tables {
        let first = build.chains.len();
        let places: HashMap<&str, u32> = table
            .chains
            .iter()
            .enumerate()
            .map(|(at, chain)| (chain.name.as_str(), (first + at) as u32))
            .collect();
        for (number, chain) in table.chains.iter().enumerate() {
            let had = slots.chain(table.name, &chain.name);
            let had = had.filter(|_| !renewed.contains(&table.name));
            let start = build.ops.len() as u32;
            for (at, rule) in chain.rules.iter().enumerate() {
                let same = plan[&(table.name, number)][at];
                let old = same.and_then(|same| Some(had?.rules.get(same)?.memory.as_slice()));
                let mut maker = Maker {
                    family: ruleset.family,
                    workers: slots.workers(),
                    had: old.unwrap_or_default(),
                    now: Vec::new(),
                    had_named: &slots.named,
                    named: &mut named,
                    all: ruleset,
                };
                build.rule(rule, &places, &mut maker);
                memories.insert((table.name, number, at), maker.now);
            }
            let end = build.ops.len() as u32;
            build.end(chain);
            build.chains.push(Chain { name: chain.name.as_str().into(), start, end, index: None });
        }
        for hook in table.name.hooks() {
            if let Some(&chain) = places.get(hook.chain()) {
                build.entries.push(Entry { table: table.name, hook: *hook, chain });
            }
        }
    }
    let (seats, counts, lease) = slots.settle(ruleset, &plan, memories, renewed);
    slots.named = named;
    let mut chains = build.chains.iter();
    for table in &ruleset.tables {
        for number in 0..table.chains.len() {
            let (Some(chain), Some((end, rules))) =
                (chains.next(), seats.get(&(table.name, number)))
            else {
                continue;
            };
            let ops = &mut build.ops[chain.start as usize..=chain.end as usize];
            for (op, seat) in ops.iter_mut().zip(rules.iter().chain([end])) {
                op.slot = *seat;
            }
        }
    }
    build.entries.sort_by_key(|entry| (entry.hook, entry.table.priority(entry.hook)));
    let ifaces = build.sets(links);
    let grows = build.effects.iter().any(Effect::grows);
    let mut program = Program {
        family: ruleset.family,
        ops: build.ops,
        tests: build.tests,
        effects: build.effects,
        chains: build.chains,
        entries: build.entries,
        ifaces,
        grows,
        templates: build.templates,
        counts,
        _lease: lease,
    };
    let indices: Vec<_> = program.chains.iter().map(|chain| Index::new(&program, chain)).collect();
    for (chain, index) in program.chains.iter_mut().zip(indices) {
        chain.index = index;
    }
    Ok(program)
}

/// A program in the making.
pub(super) struct Build<'a> {
    links: Links<'a>,
    ops: Vec<Op>,
    tests: Vec<Test>,
    effects: Vec<Effect>,
    chains: Vec<Chain>,
    entries: Vec<Entry>,
    ifaces: Vec<Iface>,
    templates: Vec<rule::Ct>,
}

impl<'a> Build<'a> {
    fn new(links: Links<'a>) -> Self {
        Self {
            links,
            ops: Vec::new(),
            tests: Vec::new(),
            effects: Vec::new(),
            chains: Vec::new(),
            entries: Vec::new(),
            ifaces: Vec::new(),
            templates: Vec::new(),
        }
    }

    fn rule(&mut self, rule: &rule::Rule, places: &HashMap<&str, u32>, maker: &mut Maker<'_>) {
        let mut op = self.basic(&rule.basic);
        op.tests = self.tests.len() as u32;
        self.tests.extend(rule.matches.iter().filter_map(|asked| maker.test(asked)));
        op.test_count = (self.tests.len() - op.tests as usize) as u16;
        let tests = &self.tests[op.tests as usize..];
        let unsteady = tests.iter().position(|test| !test.is_steady());
        op.unsteady = unsteady.map_or(u16::MAX, |number| number as u16);
        let place = |name: &String| places.get(name.as_str()).copied().unwrap_or_default();
        op.act = match &rule.target {
            Target::None => Act::Next,
            Target::Accept => Act::Accept,
            Target::Drop => Act::Drop,
            Target::Return => Act::Return,
            Target::Jump(name) => Act::Jump(place(name)),
            Target::Goto(name) => Act::Goto(place(name)),
            other => {
                let effect = Effect::of(other, self);
                op.steady = effect.is_steady();
                self.effects.push(effect);
                Act::Effect(self.effects.len() as u32 - 1)
            }
        };
        // The kernel takes such a rule for the end of its chain when it traces.
        let ends =
            matches!(rule.target, Target::Accept | Target::Drop | Target::Return | Target::Queue);
        if ends && rule.matches.is_empty() && rule.basic == Basic::default() {
            op.flags |= flag::TAIL;
        }
        self.ops.push(op);
    }

    /// The end of a chain, which is a rule too.
    fn end(&mut self, chain: &rule::Chain) {
        let mut op = self.basic(&Basic::default());
        op.flags = flag::TAIL;
        op.act = chain.policy.map_or(Act::Return, Act::Policy);
        self.ops.push(op);
    }

    fn basic(&mut self, basic: &Basic) -> Op {
        let mut flags = 0;
        let mut note = |not: bool, bit: u8| flags |= if not { bit } else { 0 };
        let mut prefix = |is: &Option<Is<Prefix>>, bit| {
            is.as_ref().map_or([0; 2], |is| {
                note(is.not, bit);
                [bits(is.value.address), bits(is.value.mask)]
            })
        };
        let src = prefix(&basic.source, flag::NOT_SRC);
        let dst = prefix(&basic.destination, flag::NOT_DST);
        let mut iface = |is: &Option<Is<Iface>>, bit| {
            is.as_ref().map_or(0, |is| {
                note(is.not, bit);
                self.iface(&is.value)
            })
        };
        let input = iface(&basic.input, flag::NOT_IN);
        let output = iface(&basic.output, flag::NOT_OUT);
        let protocol = basic.protocol.map_or(0, |is| {
            note(is.not, flag::NOT_PROTOCOL);
            is.value
        });
        note(basic.fragment == Some(true), flag::FRAGMENT);
        note(basic.fragment == Some(false), flag::NOT_FRAGMENT);
        let (tests, slot, test_count, act) = (0, 0, 0, Act::Next);
        let (unsteady, steady) = (u16::MAX, true);
        Op {
            src,
            dst,
            tests,
            slot,
            test_count,
            input,
            output,
            protocol,
            flags,
            unsteady,
            steady,
            act,
        }
    }

    /// The number of a set of interfaces, from 1.
    fn iface(&mut self, iface: &Iface) -> u16 {
        let have = self.ifaces.iter().position(|have| have == iface);
        let at = have.unwrap_or_else(|| {
            self.ifaces.push(iface.clone());
            self.ifaces.len() - 1
        });
        at as u16 + 1
    }

    /// All sets of interfaces.
    fn sets(&self, links: Links<'_>) -> IfaceSets {
        let most = links.iter().map(|(index, _)| *index).max().unwrap_or(0);
        let stride = usize::from(most) / 64 + 1;
        let mut words = vec![0; stride * (self.ifaces.len() + 1)];
        for (at, iface) in self.ifaces.iter().enumerate() {
            let set = &mut words[(at + 1) * stride..][..stride];
            for (index, name) in links.iter().copied().chain([(0, "")]) {
                if iface.matches(name) {
                    set[usize::from(index) / 64] |= 1_u64 << (index % 64);
                }
            }
        }
        IfaceSets { stride, words }
    }

    /// The index of an interface, if it is there.
    pub(super) fn link(&self, name: &str) -> Option<u16> {
        self.links.iter().find(|(_, have)| *have == name).map(|(index, _)| *index)
    }

    /// The number of a template of connections.
    pub(super) fn template(&mut self, ct: &rule::Ct) -> u16 {
        let have = self.templates.iter().position(|have| have == ct);
        let at = have.unwrap_or_else(|| {
            self.templates.push(ct.clone());
            self.templates.len() - 1
        });
        at as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netfilter::check::Wrong;
    use crate::netfilter::rule::{Family, Hook, Rule, Table};
    use ipnet::IpNet;

    fn chain(name: &str, targets: &[Target]) -> rule::Chain {
        let rule = |target: &Target| Rule { target: target.clone(), ..Rule::default() };
        let rules = targets.iter().map(rule).collect();
        rule::Chain { name: name.into(), rules, ..rule::Chain::default() }
    }

    fn fault(name: TableName, chains: Vec<rule::Chain>, first: &[Target]) -> Option<Wrong> {
        let mut table = Table::new(name);
        table.chains[0].rules = chain("", first).rules;
        table.chains.extend(chains);
        let ruleset = Ruleset { family: Family::Four, tables: vec![table] };
        compile(&ruleset, &[], &mut Slots::new(1), &[]).err().map(|fault| fault.wrong)
    }

    #[test]
    fn rule_sets_that_lead_nowhere_are_refused() {
        let jump = |name: &str| Target::Jump(name.into());
        let filter = |chains, first: &[Target]| fault(TableName::Filter, chains, first);
        assert_eq!(filter(vec![], &[Target::Accept]), None);
        assert_eq!(filter(vec![], &[jump("a")]), Some(Wrong::NoChain("a".into())));
        assert_eq!(filter(vec![], &[jump("OUTPUT")]), Some(Wrong::NoChain("OUTPUT".into())));
        let (a, b) = (chain("a", &[jump("b")]), chain("b", &[Target::Goto("a".into())]));
        assert_eq!(filter(vec![a, b], &[jump("a")]), Some(Wrong::Loop));
        // Two ways to one chain are no circle.
        let (a, b) = (chain("a", &[jump("b"), jump("b")]), chain("b", &[]));
        assert_eq!(filter(vec![a, b], &[jump("a"), jump("b")]), None);
        assert_eq!(filter(vec![chain("a", &[]), chain("a", &[])], &[]), Some(Wrong::Twice));
        let deep = (0..200).map(|n| chain(&format!("c{n}"), &[jump(&format!("c{}", n + 1))]));
        let deep = deep.chain([chain("c200", &[])]).collect();
        assert_eq!(filter(deep, &[jump("c0")]), Some(Wrong::Deep));
    }

    #[test]
    fn extensions_stand_only_where_they_can_work() {
        let masquerade = Target::Masquerade(rule::Masquerade::default());
        assert_eq!(
            fault(TableName::Filter, vec![], std::slice::from_ref(&masquerade)),
            Some(Wrong::Table("MASQUERADE", "nat"))
        );
        // By way of a chain of one's own, which is not looked at until somebody calls it.
        let own = || vec![chain("own", std::slice::from_ref(&masquerade))];
        assert_eq!(fault(TableName::Nat, own(), &[]), None);
        assert_eq!(
            fault(TableName::Nat, own(), &[Target::Jump("own".into())]),
            Some(Wrong::Hook("MASQUERADE", "PREROUTING"))
        );
        assert_eq!(
            fault(TableName::Filter, vec![], &[Target::Reject(rule::Reject::TcpReset)]),
            Some(Wrong::Protocol("REJECT", "tcp"))
        );
        assert_eq!(
            fault(TableName::Filter, vec![], &[Target::Reject(rule::Reject::Icmp6(1))]),
            Some(Wrong::Family("REJECT"))
        );
        let table = || Table::new(TableName::Filter);
        let twice = Ruleset { family: Family::Four, tables: vec![table(), table()] };
        assert!(compile(&twice, &[], &mut Slots::new(1), &[]).is_err());
        let net: IpNet = "2001:db8::/32".parse().unwrap();
        let source = Some(Is::so(Prefix::from(net)));
        let rule = Rule { basic: Basic { source, ..Basic::default() }, ..Rule::default() };
        let mut ruleset = Ruleset::new(Family::Four);
        ruleset.table_mut(TableName::Filter).chains[1].rules.push(rule);
        let fault = compile(&ruleset, &[], &mut Slots::new(1), &[]).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "table filter, chain FORWARD, rule 1: the rule is for the other family"
        );
    }

    #[test]
    fn entries_stand_in_the_order_in_which_packets_meet_them() {
        let mut ruleset = Ruleset::new(Family::Four);
        for name in TableName::ALL {
            ruleset.table_mut(name);
        }
        let program = compile(&ruleset, &[], &mut Slots::new(1), &[]).unwrap();
        let at = |hook| {
            let of = program.entries().iter().filter(|entry| entry.hook == hook);
            of.map(|entry| entry.table.name()).collect::<Vec<_>>()
        };
        assert_eq!(at(Hook::PreRouting), ["raw", "mangle", "nat"]);
        assert_eq!(at(Hook::LocalIn), ["mangle", "filter", "security", "nat"]);
        assert_eq!(at(Hook::LocalOut), ["raw", "mangle", "nat", "filter", "security"]);
        assert!(program.entries().iter().all(|entry| program.is_idle(*entry)));
    }
}
