//! Wagonway against Linux: the same configuration, the same frames, the same answers.
//!
//! Each test takes one family of frames. Linux, in a namespace of its own, is given every frame
//! over TAP interfaces; Wagonway is given them as captures. What leaves each port because of each
//! frame is compared byte for byte, except for the fields that [`outcome`] names.
//!
//! The frames say themselves what they are meant to cause, and Linux is held to it first: a frame
//! that Linux drops for another reason than its name says would prove nothing about Wagonway.

#[path = "../common/mod.rs"]
mod common;

mod compare;
mod cookie;
mod corpus;
mod guest;
mod known;
mod linux;
mod netfilter;
mod outcome;
mod record;
mod topology;
mod wagonway;
mod wires;

use std::collections::{BTreeMap, BTreeSet};

use common::skip::{need_root, skip};
use corpus::Family;
use guest::GuestRouter;
use linux::LinuxRouter;
use outcome::Outcome;

/// Gives a family to Linux and holds Linux to what the frames' names promise.
fn ask_linux(family: &Family) -> Vec<Outcome> {
    let outcomes = match family.topology.vrfs.is_empty() {
        true => LinuxRouter::new(&family.topology).play(family),
        false => GuestRouter::new(&family.topology).play(family),
    };
    record::write(family, "linux", &outcomes);
    let family = &record::renew(family, &outcomes);
    let mut wrong = String::new();
    for (step, outcome) in family.steps.iter().zip(&outcomes) {
        if !step.is_kept(outcome) {
            let did = outcome.brief();
            wrong += &format!(
                "{} [{}]\n    expected {}\n    Linux    {did}\n",
                step.name,
                step.place(),
                step.expect
            );
        }
    }
    wrong += &compare::wavering(family, &outcomes);
    assert!(wrong.is_empty(), "family {}, and Linux does otherwise:\n{wrong}", family.name);
    outcomes
}

/// Whether a test of the family cannot be: it needs a guest and there is none.
fn without_guest(test: &str, family: &Family) -> bool {
    let why = guest::missing(&family.topology);
    if let Some(why) = &why {
        skip(test, why);
    }
    why.is_some()
}

/// Gives a family to two Linux routers, which must agree: what one machine does differently from
/// one time to the next cannot be asked of another.
fn ask_linux_twice(family: &Family) {
    let first = ask_linux(family);
    if family.is_prompt() {
        let second = ask_linux(family);
        if let Err(report) = compare::compare(family, &first, &second, &[]) {
            panic!("Linux, the first time and the second: {report}");
        }
    }
}

/// Gives a family to both, Wagonway being asked by `ask`.
fn ask_both(family: &Family, ask: impl Fn(&Family) -> Vec<Outcome>) {
    let linux = ask_linux(family);
    let wagonway = ask(family);
    record::write(family, "wagonway", &wagonway);
    if let Err(report) = compare::compare(family, &linux, &wagonway, known::KNOWN) {
        panic!("{report}");
    }
}

/// Three tests for each family, named after it. Those under `replayed` are not asked live, as their
/// router does not answer the questions by which one tells when it has done with a frame, or does by
/// and by what the kernel does later; those under `lived` are asked live only; those under `open` wait
/// for what their reason says.
macro_rules! families {
    (
        shown { $($name:ident: $family:expr;)* }
        replayed { $($replayed:ident: $replayed_family:expr;)* }
        lived { $($lived:ident: $lived_family:expr;)* }
        open { $($open:ident: $open_family:expr, $reason:literal;)* }
    ) => {
        pub(crate) fn all() -> Vec<Family> {
            vec![$($family,)* $($replayed_family,)* $($lived_family,)* $($open_family),*]
        }

        /// Linux does what each frame is named for.
        mod linux_alone {
            // A list may be empty.
            #[allow(unused_imports)]
            use super::*;
            $(#[test]
            fn $name() {
                let test = concat!("oracle::linux_alone::", stringify!($name));
                need_root!(test);
                let family = record::expected($family);
                if !without_guest(test, &family) {
                    ask_linux_twice(&family);
                }
            })*
            $(#[test]
            fn $replayed() {
                need_root!(concat!("oracle::linux_alone::", stringify!($replayed)));
                ask_linux_twice(&record::expected($replayed_family));
            })*
            $(#[test]
            fn $open() {
                let test = concat!("oracle::linux_alone::", stringify!($open));
                need_root!(test);
                let family = record::expected($open_family);
                if !without_guest(test, &family) {
                    ask_linux_twice(&family);
                }
            })*
        }

        /// What a router says of its own accord it says to those who hear it, whom a replay has not.
        mod lived {
            // A list may be empty.
            #[allow(unused_imports)]
            use super::*;
            $(mod $lived {
                use super::*;
                #[test]
                fn linux_alone() {
                    need_root!(concat!("oracle::lived::", stringify!($lived), "::linux_alone"));
                    ask_linux_twice(&record::expected($lived_family));
                }
                #[test]
                fn live_like_linux() {
                    need_root!(concat!("oracle::lived::", stringify!($lived), "::live_like_linux"));
                    ask_both(&record::expected($lived_family), wagonway::play_live);
                }
            })*
        }

        /// Wagonway does what Linux does.
        mod like_linux {
            // A list may be empty.
            #[allow(unused_imports)]
            use super::*;
            $(#[test]
            fn $name() {
                let test = concat!("oracle::like_linux::", stringify!($name));
                need_root!(test);
                let family = record::expected($family);
                if !without_guest(test, &family) {
                    ask_both(&family, wagonway::play);
                }
            })*
            $(#[test]
            fn $replayed() {
                need_root!(concat!("oracle::like_linux::", stringify!($replayed)));
                ask_both(&record::expected($replayed_family), wagonway::play);
            })*
            $(#[test]
            #[ignore = $reason]
            fn $open() {
                let test = concat!("oracle::like_linux::", stringify!($open));
                need_root!(test);
                let family = record::expected($open_family);
                if !without_guest(test, &family) {
                    ask_both(&family, wagonway::play);
                }
            })*
        }

        /// Wagonway does so live as well.
        mod live_like_linux {
            // A list may be empty.
            #[allow(unused_imports)]
            use super::*;
            $(#[test]
            fn $name() {
                let test = concat!("oracle::live_like_linux::", stringify!($name));
                need_root!(test);
                let family = record::expected($family);
                if !without_guest(test, &family) {
                    ask_both(&family, wagonway::play_live);
                }
            })*
        }
    };
}

mod filters;

/// Every family of every list.
fn all_of_all() -> Vec<Family> {
    let mut families = all();
    families.extend(filters::all());
    families
}

families! {
    shown {
    forward: corpus::forward::family();
    ttl: corpus::ttl::family();
    local: corpus::local::family();
    routes: corpus::routes::family();
    default_route: corpus::routes::with_default();
    rules: corpus::rules::family();
    nexthops: corpus::rules::nexthops();
    error_limit: corpus::routes::error_limit();
    default_limits: corpus::routes::default_limits();
    mtu: corpus::mtu::family();
    mtu_576: corpus::mtu::small("mtu-576", 576);
    mtu_68: corpus::mtu::small("mtu-68", 68);
    martian: corpus::martian::family();
    link: corpus::link::family();
    vlan: corpus::link::vlan();
    header: corpus::header::family();
    arp: corpus::arp::family();
    resolve: corpus::arp::resolve();
    resolve_failure: corpus::arp::failure();
    arp_ignore_1: corpus::tunables::ignore_1();
    arp_ignore_2: corpus::tunables::ignore_2();
    arp_ignore_3: corpus::tunables::ignore_3();
    arp_ignore_5: corpus::tunables::ignore_5();
    arp_announce_0: corpus::tunables::announce_0();
    arp_announce_1: corpus::tunables::announce_1();
    arp_announce_2: corpus::tunables::announce_2();
    arp_accept_1: corpus::tunables::accept_1();
    arp_accept_2: corpus::tunables::accept_2();
    arp_filter: corpus::tunables::filter();
    arp_strict: corpus::tunables::strict();
    arp_no_gratuitous: corpus::tunables::no_gratuitous();
    arp_proxy: corpus::tunables::proxy();
    arp_proxy_all: corpus::tunables::proxy_all();
    arp_proxy_pvlan: corpus::tunables::proxy_pvlan();
    arp_proxy_pvlan_all: corpus::tunables::proxy_pvlan_all();
    arp_proxy_medium: corpus::tunables::proxy_medium();
    arp_proxy_no_medium: corpus::tunables::proxy_no_medium();
    arp_proxy_entries: corpus::tunables::proxy_entries();
    arp_notify: corpus::tunables::notify();
    link_address: corpus::mac::changed();
    link_noarp: corpus::mac::noarp();
    six_link_address: corpus::mac::six();
    neigh_states: corpus::neigh::states();
    neigh_heard: corpus::neigh::heard();
    neigh_silent: corpus::neigh::silent();
    neigh_queue: corpus::neigh::queue();
    neigh_deleted: corpus::neigh::deleted();
    neigh_verbs: corpus::neigh::verbs();
    pmtu: corpus::pmtu::family();
    options: corpus::options::family();
    options_malformed: corpus::options::malformed();
    options_redirects: corpus::options::redirects();
    options_filled: corpus::options::filled();
    options_unresolved: corpus::options::unresolved();
    source_route: corpus::options::source_routes();
    icmp: corpus::icmp::family();
    icmp_loud: corpus::icmp::loud();
    reassembly: corpus::reassembly::family();
    reassembly_timeout: corpus::reassembly::timeout();
    reassembly_bounds: corpus::pieces::family();
    reassembly_distance: corpus::pieces::distance();
    reassembly_off: corpus::pieces::off();
    redirects_sent: corpus::redirect::sent();
    redirects_by_all: corpus::redirect::sent_by_all();
    redirects_received: corpus::redirect::received();
    redirects_received_by_host: corpus::redirect::received_by_host();
    sources_by_interface: corpus::source::by_interface();
    sources_loose: corpus::source::loose();
    sources_strict: corpus::source::strict();
    sources_lenient: corpus::source::lenient();
    kinds: corpus::kinds::family();
    aliases: corpus::alias::family();
    tos: corpus::alias::tos();
    links_switched: corpus::links::switched();
    links_carrier: corpus::links::carrier();
    links_carrier_counts: corpus::links::carrier_counts();
    links_gateways: corpus::links::gateways();
    rule_selectors: corpus::policy::selectors();
    rule_actions: corpus::policy::actions();
    objects: corpus::objects::family();
    vrf: corpus::vrf::family();
    vrf_tunables: corpus::vrf::tunables();
    six_tuned_mtu: corpus::six_tunables::tuned("six-tuned-mtu", &[("net.ipv6.conf.wan.mtu", "1299")]);
    six_tuned_mtu_lan: corpus::six_tunables::tuned("six-tuned-mtu-lan", &[("net.ipv6.conf.lan.mtu", "1280")]);
    six_too_big: corpus::six_redirect::too_big();
    six_redirects_sent: corpus::six_redirect::sent();
    six_forward_by_interface: corpus::six_forward::by_interface();
    six_small_link: corpus::six_forward::small();
    six_sizes: corpus::six_forward::sizes();
    six_scopes: corpus::six_receive::crossed_udp();
    six_scopes_echo: corpus::six_receive::crossed_echo();
    six_icmp_anycast: corpus::six_icmp::anycast();
    six_icmp_limited_together: corpus::six_icmp::limited_together();
    six_icmp_received: corpus::six_icmp::received();
    six_icmp_types: corpus::six_icmp::types();
    six_echo_ignored: corpus::six_local::echo_with("six-echo-ignored", &[("net.ipv6.icmp.echo_ignore_all", "1")]);
    six_echo_groups_ignored: corpus::six_local::echo_with("six-echo-groups-ignored", &[("net.ipv6.icmp.echo_ignore_multicast", "1")]);
    six_echo_anycast_ignored: corpus::six_local::echo_with("six-echo-anycast-ignored", &[("net.ipv6.icmp.echo_ignore_anycast", "1")]);
    six_echo_anycast_source: corpus::six_local::echo_with("six-echo-anycast-source", &[("net.ipv6.anycast_src_echo_reply", "1")]);
    six_echo_labels: corpus::six_local::echo_with("six-echo-labels", &[("net.ipv6.flowlabel_reflect", "7")]);
    six_echo_no_labels: corpus::six_local::echo_with("six-echo-no-labels", &[("net.ipv6.auto_flowlabels", "0")]);
    six_echo: corpus::six_local::echo();
    six_error_sources: corpus::six_forward::sources();
    six_forward: corpus::six_forward::family();
    six_fragments_timeout: corpus::six_fragments::timeout();
    six_fragments: corpus::six_fragments::family();
    six_routing_refused: corpus::six_routing::refused();
    six_routing_accepted: corpus::six_routing::accepted();
    six_routing: corpus::six_routing::family();
    six_options_limits: corpus::six_options::limits();
    six_options: corpus::six_options::family();
    six_receive: corpus::six_receive::family();
    six_headers: corpus::six_headers::family();
    six_segments: corpus::six_routing::segments_on();
    six_tuned_hop_limit: corpus::six_tunables::tuned("six-tuned-hop-limit", &[("net.ipv6.conf.lan.hop_limit", "7")]);
    six_tuned_hop_limit_all: corpus::six_tunables::tuned("six-tuned-hop-limit-all", &[("net.ipv6.conf.default.hop_limit", "9")]);
    six_tuned_multicast_frames: corpus::six_tunables::tuned("six-tuned-multicast-frames", &[("net.ipv6.conf.lan.drop_unicast_in_l2_multicast", "1")]);
    six_tuned_target_address_always: corpus::six_tunables::tuned("six-tuned-target-address-always", &[("net.ipv6.conf.lan.force_tllao", "1")]);
    six_tuned_reset_labels: corpus::six_tunables::tuned("six-tuned-reset-labels", &[("net.ipv6.flowlabel_reflect", "2")]);
    six_tuned_echo_labels: corpus::six_tunables::tuned("six-tuned-echo-labels", &[("net.ipv6.flowlabel_reflect", "4")]);
    six_tuned_no_autolabel: corpus::six_tunables::tuned("six-tuned-no-autolabel", &[("net.ipv6.auto_flowlabels", "2")]);
    six_tuned_segments_all: corpus::six_tunables::tuned("six-tuned-segments-all", &[("net.ipv6.conf.all.seg6_enabled", "1")]);
    six_redirects_ignored: corpus::six_redirect::received("six-redirects-ignored", true);
    six_unasked_dropped: corpus::six_nd::unasked("six-unasked-dropped", "net.ipv6.conf.wan.drop_unsolicited_na", "1");
    six_unreachability: corpus::six_nd::unreachable();
    six_neighbour_states: corpus::six_nd::states();
    six_resolve: corpus::six_nd::resolve();
    six_solicitations: corpus::six_nd::solicitations();
    six_icmp_errors: corpus::six_icmp::errors();
    six_local: corpus::six_local::family();
    six_host: corpus::six_forward::off();
    six_link_local: corpus::six_forward::scopes();
    six_links: corpus::six_routes::links();
    six_multipath: corpus::six_routes::several();
    six_too_big_expires: corpus::six_redirect::too_big_expires();
    six_untracked: corpus::six_nd::unasked("six-untracked", "net.ipv6.conf.wan.accept_untracked_na", "1");
    six_untracked_own_net: corpus::six_nd::unasked("six-untracked-own-net", "net.ipv6.conf.wan.accept_untracked_na", "2");
    six_proxy: corpus::six_nd::proxy();
    six_objects: corpus::six_routes::objects();
    six_redirects_received: corpus::six_redirect::received("six-redirects-received", false);
    six_source_routes: corpus::six_routes::sources();
    six_addresses: corpus::six_routes::addresses();
    six_routes: corpus::six_routes::changes();
    loopback: corpus::loopback::family();
    six_resolve_failure: corpus::six_nd::failure();
    six_rules: corpus::six_routes::rules();
    six_tuned_class_of_discovery: corpus::six_tunables::tuned("six-tuned-class-of-discovery", &[("net.ipv6.conf.lan.ndisc_tclass", "184")]);
    six_tuned_pieces_of_discovery: corpus::six_tunables::tuned("six-tuned-pieces-of-discovery", &[("net.ipv6.conf.lan.suppress_frag_ndisc", "0")]);
    six_tuned_policy_off: corpus::six_tunables::tuned("six-tuned-policy-off", &[("net.ipv6.conf.lan.disable_policy", "1")]);
    six_tuned_stable_address: corpus::six_tunables::tuned("six-tuned-stable-address", &[("net.ipv6.conf.default.addr_gen_mode", "2"), ("net.ipv6.conf.default.stable_secret", "2001:db8::5ec7:e7")]);
    six_tuned_force_forwarding: corpus::six_tunables::tuned("six-tuned-force-forwarding", &[("net.ipv6.conf.all.forwarding", "0"), ("net.ipv6.conf.lan.force_forwarding", "1")]);
    six_vrf: corpus::six_vrf::family();
    }
    replayed {
    six_vlan: corpus::six_vlan::family();
    six_redirects_limited: corpus::six_redirect::limited();
    six_icmp_limited_types: corpus::six_icmp::limited_types();
        arp_ignore_8: corpus::tunables::ignore_8();
        arp_proxy_host: corpus::tunables::proxy_host();
        arp_proxy_delay: corpus::tunables::proxy_delay();
        neigh_probed: corpus::neigh::probed();
        neigh_aged: corpus::neigh::aged();
        neigh_solicits: corpus::neigh::solicits();
        neigh_application: corpus::neigh::asks_application();
    six_icmp_limited: corpus::six_icmp::limited();
        icmp_quiet: corpus::icmp::quiet();
        icmp_limited: corpus::icmp::limited();
        rules_inverted: corpus::rules::inverted();
    }
    lived {
    six_duplicates: corpus::six_tunables::duplicates("six-duplicates", &[]);
    six_duplicates_plain: corpus::six_tunables::duplicates("six-duplicates-plain", &[("net.ipv6.conf.lan.enhanced_dad", "0"), ("net.ipv6.conf.all.enhanced_dad", "0")]);
    six_duplicates_optimistic: corpus::six_tunables::duplicates("six-duplicates-optimistic", &[("net.ipv6.conf.lan.optimistic_dad", "1")]);
    six_groups_forced: corpus::six_groups::forced();
    six_groups_version_1: corpus::six_groups::first_version();
    six_groups: corpus::six_groups::family();
    six_duplicates_thrice: corpus::six_tunables::duplicates("six-duplicates-thrice", &[("net.ipv6.conf.lan.dad_transmits", "3")]);
    }
    open {
    }
}

/// The way of telling whose effects are whose that a slower router needs gives the same answers.
#[test]
fn sentinels_tell_the_same_as_the_kernels_promptness() {
    need_root!("oracle::sentinels_tell_the_same_as_the_kernels_promptness");
    for family in [
        corpus::local::family(),
        corpus::link::vlan(),
        corpus::arp::resolve(),
        corpus::mtu::small("mtu-68", 68),
        record::expected(corpus::six_local::echo()),
        record::expected(corpus::six_nd::solicitations()),
        record::expected(corpus::six_icmp::errors()),
    ] {
        let prompt = ask_linux(&family);
        let behind = LinuxRouter::new(&family.topology).play_with_sentinels(&family);
        if let Err(report) = compare::compare(&family, &prompt, &behind, &[]) {
            panic!("without sentinels and with them: {report}");
        }
    }
}

/// What the router counts is what Linux counts, by group, name and type; but that Linux counts all
/// answers as echo replies, as it looks for their type where only its errors have it.
#[test]
fn icmp_is_counted_as_linux_counts_it() {
    need_root!("oracle::icmp_is_counted_as_linux_counts_it");
    for family in [
        corpus::local::family(),
        corpus::icmp::family(),
        corpus::icmp::loud(),
        corpus::icmp::quiet(),
        corpus::icmp::limited(),
        corpus::options::malformed(),
        corpus::options::filled(),
        corpus::options::source_routes(),
    ] {
        let router = LinuxRouter::new(&family.topology);
        router.play(&family);
        let linux = router.counters(&["Icmp", "IcmpMsg"]);
        let wagonway = wagonway::counters(&family, &["Icmp", "IcmpMsg"]);
        let mut as_linux = BTreeMap::new();
        for (name, count) in wagonway {
            let name = match name.as_str() {
                "IcmpMsgOutType14" | "IcmpMsgOutType43" => "IcmpMsgOutType0".to_owned(),
                "IcmpOutTimestampReps" => "IcmpOutEchoReps".to_owned(),
                _ => name,
            };
            *as_linux.entry(name).or_insert(0) += count;
        }
        // Answers to probes have no name of their own.
        let answers = as_linux.get("IcmpMsgOutType0").copied();
        as_linux.extend(answers.map(|count| ("IcmpOutEchoReps".to_owned(), count)));
        assert_eq!(linux, as_linux, "family {}", family.name);
        assert!(linux.values().sum::<u64>() > 20, "family {} counts something", family.name);
    }
}

/// The same of IPv6, by the names in `/proc/net/snmp6`.
#[test]
fn ipv6_is_counted_as_linux_counts_it() {
    need_root!("oracle::ipv6_is_counted_as_linux_counts_it");
    count_six(vec![
        corpus::six_receive::family(),
        corpus::six_routing::family(),
        corpus::six_forward::family(),
    ]);
}

/// The same of packets to nowhere, of pieces, and of what the router sends of itself and to itself.
#[test]
fn more_of_ipv6_is_counted_as_linux_counts_it() {
    need_root!("oracle::more_of_ipv6_is_counted_as_linux_counts_it");
    count_six(vec![
        corpus::six_options::family(),
        corpus::six_fragments::family(),
        corpus::six_headers::family(),
        corpus::six_forward::sizes(),
        corpus::six_local::echo(),
        corpus::six_icmp::types(),
        corpus::six_icmp::errors(),
        corpus::six_icmp::received(),
        corpus::six_nd::solicitations(),
        corpus::six_nd::resolve(),
        corpus::six_redirect::sent(),
        corpus::six_redirect::too_big(),
        corpus::six_forward::sources(),
        corpus::six_forward::scopes(),
        corpus::six_routing::accepted(),
        corpus::six_local::family(),
        corpus::six_icmp::anycast(),
        corpus::six_options::limits(),
    ]);
}

fn count_six(families: Vec<Family>) {
    let mut wrong = String::new();
    for family in families {
        let mut family = record::expected(family);
        // What it says of itself while it starts is not to be told by a second word.
        let once = "net.ipv6.conf.default.mldv2_unsolicited_report_interval";
        family.topology = family.topology.sysctl(once, "1");
        let router = LinuxRouter::new(&family.topology);
        std::thread::sleep(std::time::Duration::from_millis(500));
        let before = router.counters6();
        router.play(&family);
        let mut linux = router.counters6();
        for (name, count) in &mut linux {
            *count -= before.get(name).copied().unwrap_or(0);
        }
        // Octets and marks of congestion are not counted here.
        let counted = |name: &str| {
            let of_six = name.starts_with("Ip6") || name.starts_with("Icmp6");
            of_six && !name.ends_with("Octets") && !name.contains("ECT") && name != "Ip6InCEPkts"
        };
        linux.retain(|name, count| *count > 0 && counted(name));
        let wagonway = wagonway::counters(&family, &["Ip6", "Icmp6"]);
        assert!(linux.values().sum::<u64>() > 20, "family {} counts something", family.name);
        let names: BTreeSet<&String> = linux.keys().chain(wagonway.keys()).collect();
        for name in names.into_iter().filter(|name| linux.get(*name) != wagonway.get(*name)) {
            let of = |counts: &BTreeMap<String, u64>| counts.get(name).copied().unwrap_or(0);
            let (linux, wagonway) = (of(&linux), of(&wagonway));
            wrong += &format!("{}: {name}: Linux {linux}, Wagonway {wagonway}\n", family.name);
        }
    }
    assert!(wrong.is_empty(), "counted otherwise:\n{wrong}");
}

#[test]
fn the_corpus_is_large_and_every_frame_has_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for family in all_of_all() {
        for step in &family.steps {
            assert!(
                names.insert(format!("{}: {}", family.name, step.name)),
                "{} twice in {}",
                step.name,
                family.name
            );
        }
    }
    assert!(names.len() >= 21_000, "only {} frames", names.len());
    for (family, name, _) in known::KNOWN {
        assert!(names.contains(&format!("{family}: {name}")), "no frame {name} in {family}");
    }
}

/// A frame's outcome stands in a record if it does not stand beside the frame, and nothing else does.
#[test]
fn every_record_is_of_a_family_and_of_its_frames() {
    let mut of_families = BTreeSet::new();
    for family in all_of_all() {
        let asked = family.steps.iter().filter(|step| step.expect == record::RECORDED);
        let asked: Vec<&str> = asked.map(|step| step.name.as_str()).collect();
        if asked.is_empty() {
            continue;
        }
        let path = record::of(&family);
        let text = std::fs::read_to_string(&path).expect("a record");
        let names = text.lines().filter_map(|line| line.split_once(" -> "));
        let names: Vec<&str> = names.map(|(name, _)| name).collect();
        assert_eq!(names, asked, "{}", path.display());
        of_families.insert(path);
    }
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/recorded");
    for entry in std::fs::read_dir(directory).expect("the records") {
        let path = entry.expect("a record").path();
        assert!(of_families.contains(&path), "{} is of no family", path.display());
    }
}
