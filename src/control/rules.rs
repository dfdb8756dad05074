//! The rules of policy routing, as the operator states and sees them.
//!
//! - obeys: `ip-rule(8)`; places and refusals as in the kernel's `fib_rules.c`

use ipnet::IpNet;
use thiserror::Error;

use super::{Router, events::What, families::Kept, router::Custom};
use crate::{
    port::table::Iface,
    route::{
        family::Family,
        hops::HopSpec,
        policy::{ABSENT, Act, Policy, Rule, Where},
        spec::{RuleAction, RuleSpec, table},
        table::HopKind,
    },
};

/// A change of a rule that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// There is one like it.
    #[error("RTNETLINK answers: File exists")]
    Exists,
    /// There is none like it.
    #[error("RTNETLINK answers: No such file or directory")]
    NotFound,
    /// A jump to a place before its own.
    #[error("Error: Backward goto not supported.")]
    Backward,
    /// Selectors or action that do not go together.
    #[error("RTNETLINK answers: Invalid argument")]
    Invalid,
}

/// The rules that there are from the start [6.126]: three for IPv4, two for IPv6.
pub(super) fn initial(six: bool) -> Vec<RuleSpec> {
    let rule = |priority, table_id| RuleSpec {
        priority: Some(priority),
        protocol: 2,
        ..if six { RuleSpec::lookup6(table_id) } else { RuleSpec::lookup(table_id) }
    };
    let mut all =
        vec![rule(0, table::LOCAL), rule(32_766, table::MAIN), rule(32_767, table::DEFAULT)];
    all.truncate(if six { 2 } else { 3 });
    all
}

fn priority(rule: &RuleSpec) -> u32 {
    rule.priority.unwrap_or_default()
}

/// True for a rule that takes every packet to its table.
fn takes_all(rule: &RuleSpec) -> bool {
    let plain = RuleSpec {
        priority: rule.priority,
        protocol: rule.protocol,
        action: rule.action,
        ..if rule.is_six() { RuleSpec::lookup6(0) } else { RuleSpec::lookup(0) }
    };
    *rule == plain && matches!(rule.action, RuleAction::Lookup(_))
}

impl Router {
    /// The rules of IPv4, in the order in which they are asked.
    pub fn rules(&self) -> &[RuleSpec] {
        &self.rules
    }

    /// The rules of a family, in the order in which they are asked.
    pub fn rules_of(&self, six: bool) -> &[RuleSpec] {
        if six { &self.rules6 } else { &self.rules }
    }

    /// True when somebody has changed the rules that there are from the start.
    pub fn rules_are_own(&self) -> bool {
        self.rules != initial(false)
    }

    /// True when the rules are those that there are from the start, in effect: local, then main.
    fn rules_are_plain<B: Kept>(&self) -> bool {
        let tables: Vec<_> =
            B::rules(self).iter().map(|rule| (takes_all(rule), rule.action)).collect();
        let look = |table_id| (true, RuleAction::Lookup(table_id));
        let default_empty = B::routes(self).rib().prefix_count(table::DEFAULT) == 0;
        match &tables[..] {
            [first, second] => *first == look(table::LOCAL) && *second == look(table::MAIN),
            [first, second, third] => {
                *first == look(table::LOCAL)
                    && *second == look(table::MAIN)
                    && *third == look(table::DEFAULT)
                    && default_empty
            }
            _ => false,
        }
    }

    /// Adds a rule. Without a priority it comes before all but the first.
    ///
    /// # Errors
    /// When there is one like it, or it cannot be as stated.
    pub fn add_rule(&mut self, spec: &RuleSpec) -> Result<(), RuleError> {
        let mut rule = spec.clone();
        let six = spec.is_six();
        let rules = self.rules_of(six);
        let before_second = || rules.get(1).map_or(0, |second| priority(second).max(1) - 1);
        rule.priority = Some(spec.priority.unwrap_or_else(before_second));
        match rule.action {
            RuleAction::Goto(target) if target <= priority(&rule) => {
                return Err(RuleError::Backward);
            }
            RuleAction::Lookup(0) if !rule.l3mdev => return Err(RuleError::Invalid),
            RuleAction::Lookup(table_id) if table_id != 0 && rule.l3mdev => {
                return Err(RuleError::Invalid);
            }
            _ => {}
        }
        let same = |other: &RuleSpec| RuleSpec { protocol: rule.protocol, ..other.clone() } == rule;
        if rules.iter().any(same) {
            return Err(RuleError::Exists);
        }
        let place = rules.partition_point(|other| priority(other) <= priority(&rule));
        self.rules_mut(six).insert(place, rule.clone());
        self.became_custom(Custom { rules: !six || self.custom.rules, ..self.custom });
        self.policy_changed();
        self.tell(false, |_| Some(What::Rule(rule)));
        Ok(())
    }

    fn rules_mut(&mut self, six: bool) -> &mut Vec<RuleSpec> {
        if six { &mut self.rules6 } else { &mut self.rules }
    }

    /// Takes the first rule of a family away that `fits`.
    ///
    /// # Errors
    /// When there is none.
    pub fn delete_rule(
        &mut self,
        six: bool,
        fits: impl Fn(&RuleSpec) -> bool,
    ) -> Result<(), RuleError> {
        let place = self.rules_of(six).iter().position(fits).ok_or(RuleError::NotFound)?;
        let gone = self.rules_mut(six).remove(place);
        self.became_custom(Custom { rules: !six || self.custom.rules, ..self.custom });
        self.policy_changed();
        self.tell(true, |_| Some(What::Rule(gone)));
        Ok(())
    }

    /// Has the rules compiled before the next publication.
    pub(super) fn policy_changed(&mut self) {
        self.policy_dirty = true;
        self.dirty = true;
    }

    /// Where a rule looks for the routes of a table.
    fn place_of<B: Kept>(&mut self, table_id: u32, local_first: bool) -> Where {
        let routes = B::parts(self).routes;
        match table_id {
            table::MAIN if local_first => Where::Main,
            table::LOCAL | table::MAIN => {
                routes.ensure_table(table_id).map_or(Where::Empty, Where::Trie)
            }
            // A table without routes has no place of its own: the first route brings it, and has
            // the rules compiled again.
            other => routes.trie(other).map_or(Where::Empty, Where::Trie),
        }
    }

    /// Compiles the rules for the workers; `None` where the large table alone decides.
    pub(super) fn compile_policy<B: Kept>(&mut self) -> Option<Policy<B>> {
        let vrfs: Vec<(u16, u32)> =
            self.ifaces.iter().filter_map(|iface| Some((iface.index, iface.vrf_table?))).collect();
        if self.rules_are_plain::<B>() && vrfs.is_empty() {
            return None;
        }
        let rules = B::rules(self).to_vec();
        // Where the local table has been asked before, what local and main have together is main.
        let local_first = rules.first().is_some_and(|first| {
            takes_all(first) && first.action == RuleAction::Lookup(table::LOCAL)
        });
        let mut compiled = Vec::with_capacity(rules.len());
        for rule in &rules {
            let act = match rule.action {
                RuleAction::Nop => Act::Nop,
                RuleAction::Goto(target) => {
                    let at = rules.iter().position(|other| priority(other) == target);
                    at.map_or(Act::Nop, |at| Act::Goto(at as u32))
                }
                RuleAction::Blackhole => Act::Hop(self.plain_hop(HopKind::Blackhole)),
                RuleAction::Unreachable => Act::Hop(self.plain_hop(HopKind::NetUnreachable)),
                RuleAction::Prohibit => Act::Hop(self.plain_hop(HopKind::Prohibit)),
                RuleAction::Lookup(table_id) => {
                    let place = match rule.l3mdev {
                        true => Where::Vrf,
                        false => self.place_of::<B>(table_id, local_first),
                    };
                    let suppress = rule.suppress_prefixlength.map_or(-1, i16::from);
                    Act::Lookup(place, suppress)
                }
            };
            compiled.push(self.resolve_rule(rule, act));
        }
        let most = vrfs.iter().map(|(index, _)| usize::from(*index) + 1).max().unwrap_or(0);
        let mut places = vec![Where::Empty; most];
        for (index, table_id) in vrfs {
            places[usize::from(index)] = self.place_of::<B>(table_id, false);
        }
        let most = self.ifaces.iter().map(|iface| usize::from(iface.index) + 1).max().unwrap_or(0);
        let mut masters = vec![0; most];
        for iface in &self.ifaces {
            masters[usize::from(iface.index)] = iface.vrf;
        }
        Some(Policy::new(&compiled, places, &masters))
    }

    fn resolve_rule<B: Family>(&self, rule: &RuleSpec, act: Act) -> Rule<B> {
        let net = |net: IpNet| (B::of(net.addr()).unwrap_or_default(), net.prefix_len());
        let named = |name: &Option<String>| {
            let name = name.as_ref()?;
            let found = self.ifaces.iter().find(|iface: &&Iface| iface.name == *name);
            Some(match found {
                Some(iface) => iface.index,
                None if name == "lo" => 0,
                None => ABSENT,
            })
        };
        Rule {
            invert: rule.invert,
            src: net(rule.from),
            dst: net(rule.to),
            tos: rule.tos,
            mark: (rule.fwmark & rule.fwmask, rule.fwmask),
            iif: named(&rule.iif),
            oif: named(&rule.oif),
            protocol: rule.ipproto,
            sport: rule.sport,
            dport: rule.dport,
            l3mdev: rule.l3mdev,
            act,
            suppressed: match rule.suppress_ifgroup {
                None => Vec::new(),
                Some(group) => {
                    let of = self.ifaces.iter().filter(|iface| iface.group == group);
                    of.map(|iface| iface.index).collect()
                }
            },
        }
    }

    /// The hop of a kind that needs nothing else; kept for good once it was needed.
    pub(super) fn plain_hop(&mut self, kind: HopKind) -> u32 {
        let spec = HopSpec::Plain(kind);
        if let Some(hop) = self.plain_hops.get(&spec) {
            return *hop;
        }
        let view = super::links::View { ifaces: &self.ifaces, neighbours: &self.neighbours };
        match self.hops.acquire(spec.clone(), &view) {
            Ok(hop) => {
                self.plain_hops.insert(spec, hop);
                hop
            }
            // A full table refuses routes long before it refuses these few.
            Err(_) => 0,
        }
    }
}
