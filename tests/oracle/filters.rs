//! The families of netfilter: `nf-NAME` for the story `corpus/filter/stories/NAME.txt`.

use super::*;
use crate::corpus::filter::story;

families! {
    shown {
        accounting: story("nf-accounting");
        addresses: story("nf-addresses");
        addrtype: story("nf-addrtype");
        chains: story("nf-chains");
        classes: story("nf-classes");
        classify_checksum: story("nf-classify-checksum");
        connlimit_modes: story("nf-connlimit-modes");
        comment_pkttype: story("nf-comment-pkttype");
        conntrack_tool: story("nf-conntrack-tool");
        ct_basic: story("nf-ct-basic");
        ct_events_helper: story("nf-ct-events-helper");
        ct_fields: story("nf-ct-fields");
        ct_label: story("nf-ct-label");
        ct_mark: story("nf-ct-mark");
        ct_mark_xor: story("nf-ct-mark-xor");
        ct_notrack: story("nf-ct-notrack");
        ct_state: story("nf-ct-state");
        ct_zone_mark: story("nf-ct-zone-mark");
        ct_zones: story("nf-ct-zones");
        ct_zones_direction: story("nf-ct-zones-direction");
        dccp: story("nf-dccp");
        drop_in_nat_chain: story("nf-drop-in-nat-chain");
        dscp: story("nf-dscp");
        early_drop_by_hook: story("nf-early-drop-by-hook");
        ecn: story("nf-ecn");
        every_table: story("nf-every-table");
        expiry: story("nf-expiry");
        frag_conntrack: story("nf-frag-conntrack");
        fragments: story("nf-fragments");
        gre_generic: story("nf-gre-generic");
        hashlimit: story("nf-hashlimit");
        hashlimit_more: story("nf-hashlimit-more");
        icmp_states: story("nf-icmp-states");
        icmp_types: story("nf-icmp-types");
        input_filter: story("nf-input-filter");
        interfaces: story("nf-interfaces");
        ip_options: story("nf-ip-options");
        ipcomp_cpu_udplite: story("nf-ipcomp-cpu-udplite");
        iprange: story("nf-iprange");
        large: story("nf-large");
        length: story("nf-length");
        limit: story("nf-limit");
        live_chains: story("nf-live-chains");
        live_edits: story("nf-live-edits");
        live_edits_of_flows: story("nf-live-edits-of-flows");
        live_tables: story("nf-live-tables");
        log: story("nf-log");
        mac: story("nf-mac");
        mangle_ct_restore: story("nf-mangle-ct-restore");
        mangle_output_route: story("nf-mangle-output-route");
        mark_reflect: story("nf-mark-reflect");
        marks_route: story("nf-marks-route");
        marks: story("nf-marks");
        multiport: story("nf-multiport");
        nat_both: story("nf-nat-both");
        nat_checksums: story("nf-nat-checksums");
        nat_dnat: story("nf-nat-dnat");
        nat_dnat_port_map: story("nf-nat-dnat-port-map");
        nat_dnat_self: story("nf-nat-dnat-self");
        nat_drop_in_chain: story("nf-nat-drop-in-chain");
        nat_fragments: story("nf-nat-fragments");
        nat_hairpin: story("nf-nat-hairpin");
        nat_helper_ftp: story("nf-nat-helper-ftp");
        nat_helper_ftp_grows: story("nf-nat-helper-ftp-grows");
        nat_helper_irc_sip: story("nf-nat-helper-irc-sip");
        nat_helper_pptp: story("nf-nat-helper-pptp");
        nat_helper_tftp: story("nf-nat-helper-tftp");
        nat_icmp_inside: story("nf-nat-icmp-inside");
        nat_icmp_kinds: story("nf-nat-icmp-kinds");
        nat_ip_options: story("nf-nat-ip-options");
        nat_loaded_late: story("nf-nat-loaded-late");
        nat_local_clash: story("nf-nat-local-clash");
        nat_masquerade: story("nf-nat-masquerade");
        nat_masquerade_conflict: story("nf-nat-masquerade-conflict");
        nat_masquerade_ports: story("nf-nat-masquerade-ports");
        nat_moved: story("nf-nat-moved");
        nat_mtu: story("nf-nat-mtu");
        nat_netmap: story("nf-nat-netmap");
        nat_null: story("nf-nat-null");
        nat_random_of_one: story("nf-nat-random-of-one");
        nat_redirect: story("nf-nat-redirect");
        nat_reuse: story("nf-nat-reuse");
        nat_snat: story("nf-nat-snat");
        nat_snat_persistent: story("nf-nat-snat-persistent");
        nat_snat_privileged: story("nf-nat-snat-privileged");
        nat_two_routes: story("nf-nat-two-routes");
        nat_vlan: story("nf-nat-vlan");
        nft_and_iptables: story("nf-nft-and-iptables");
        nft_catchall: story("nf-nft-catchall");
        nft_chains: story("nf-nft-chains");
        nft_concat: story("nf-nft-concat");
        nft_count: story("nf-nft-count");
        nft_ct: story("nf-nft-ct");
        nft_dup: story("nf-nft-dup");
        nft_fib: story("nf-nft-fib");
        nft_filter: story("nf-nft-filter");
        nft_hash: story("nf-nft-hash");
        nft_helper: story("nf-nft-helper");
        nft_ingress: story("nf-nft-ingress");
        nft_ingress_six: story("nf-nft-ingress-six");
        nft_inet_nat: story("nf-nft-inet-nat");
        nft_limits: story("nf-nft-limits");
        nft_live: story("nf-nft-live");
        nft_log: story("nf-nft-log");
        nft_mangle: story("nf-nft-mangle");
        nft_marks: story("nf-nft-marks");
        nft_meters: story("nf-nft-meters");
        nft_nat: story("nf-nft-nat");
        nft_numgen: story("nf-nft-numgen");
        nft_objects: story("nf-nft-objects");
        nft_options: story("nf-nft-options");
        nft_own: story("nf-nft-own");
        nft_priorities: story("nf-nft-priorities");
        nft_raw: story("nf-nft-raw");
        nft_reject: story("nf-nft-reject");
        nft_sets: story("nf-nft-sets");
        nft_six: story("nf-nft-six");
        nft_six_inet: story("nf-nft-six-inet");
        nft_six_more: story("nf-nft-six-more");
        nft_six_nat: story("nf-nft-six-nat");
        nft_soup: story("nf-nft-soup");
        nft_synproxy: story("nf-nft-synproxy");
        nft_timeouts: story("nf-nft-timeouts");
        nft_vmap: story("nf-nft-vmap");
        odd_file: story("nf-odd-file");
        owner_policy: story("nf-owner-policy");
        policies: story("nf-policies");
        ports: story("nf-ports");
        protocols: story("nf-protocols");
        queue: story("nf-queue");
        quota_connbytes: story("nf-quota-connbytes");
        rates: story("nf-rates");
        raw_drop: story("nf-raw-drop");
        realm_devgroup_cpu: story("nf-realm-devgroup-cpu");
        recent: story("nf-recent");
        recent_more: story("nf-recent-more");
        reject: story("nf-reject");
        reject_conntrack: story("nf-reject-conntrack");
        reject_mangle_mark: story("nf-reject-mangle-mark");
        router_only: story("nf-router-only");
        restore_again: story("nf-restore-again");
        restore_half: story("nf-restore-half");
        restore_loop: story("nf-restore-loop");
        rpfilter: story("nf-rpfilter");
        sctp_dccp_esp_ah: story("nf-sctp-dccp-esp-ah");
        sctp_odd: story("nf-sctp-odd");
        sctp_states: story("nf-sctp-states");
        security: story("nf-security");
        set_expiry: story("nf-set-expiry");
        set_hash_ip: story("nf-set-hash-ip");
        set_ports: story("nf-set-ports");
        set_swap: story("nf-set-swap");
        set_target: story("nf-set-target");
        six_addresses: story("nf-six-addresses");
        six_and_four: story("nf-six-and-four");
        six_chains: story("nf-six-chains");
        six_ct: story("nf-six-ct");
        six_ct_fragments: story("nf-six-ct-fragments");
        six_ct_icmp: story("nf-six-ct-icmp");
        six_ct_tcp: story("nf-six-ct-tcp");
        six_every_table: story("nf-six-every-table");
        six_fragments: story("nf-six-fragments");
        six_headers: story("nf-six-headers");
        six_icmp_types: story("nf-six-icmp-types");
        six_interfaces_protocols: story("nf-six-interfaces-protocols");
        six_length_hl: story("nf-six-length-hl");
        six_limits: story("nf-six-limits");
        six_live_edits: story("nf-six-live-edits");
        six_mac_iprange_addrtype: story("nf-six-mac-iprange-addrtype");
        six_mark_reflect: story("nf-six-mark-reflect");
        six_mark_route: story("nf-six-mark-route");
        six_marks_dscp: story("nf-six-marks-dscp");
        six_mobility: story("nf-six-mobility");
        six_nat_ftp: story("nf-six-nat-ftp");
        six_nat_masquerade: story("nf-six-nat-masquerade");
        six_nat_moved: story("nf-six-nat-moved");
        six_nat_netmap: story("nf-six-nat-netmap");
        six_nat_snat_dnat: story("nf-six-nat-snat-dnat");
        six_notrack_zone: story("nf-six-notrack-zone");
        six_npt: story("nf-six-npt");
        six_ports_flags: story("nf-six-ports-flags");
        six_reject: story("nf-six-reject");
        six_sets: story("nf-six-sets");
        six_soup_0: story("nf-six-soup-0");
        six_soup_1: story("nf-six-soup-1");
        six_soup_2: story("nf-six-soup-2");
        six_soup_3: story("nf-six-soup-3");
        six_soup_4: story("nf-six-soup-4");
        six_soup_5: story("nf-six-soup-5");
        six_synproxy: story("nf-six-synproxy");
        six_targets: story("nf-six-targets");
        soup_0: story("nf-soup-0");
        soup_1: story("nf-soup-1");
        soup_2: story("nf-soup-2");
        soup_3: story("nf-soup-3");
        soup_4: story("nf-soup-4");
        soup_5: story("nf-soup-5");
        soup_6: story("nf-soup-6");
        soup_7: story("nf-soup-7");
        soup_8: story("nf-soup-8");
        soup_9: story("nf-soup-9");
        stateless_large_frames: story("nf-stateless-large-frames");
        statistic: story("nf-statistic");
        string: story("nf-string");
        synproxy: story("nf-synproxy");
        synproxy_input: story("nf-synproxy-input");
        tcp_flags: story("nf-tcp-flags");
        tcp_in_close: story("nf-tcp-in-close");
        tcp_in_close_wait: story("nf-tcp-in-close-wait");
        tcp_in_established: story("nf-tcp-in-established");
        tcp_in_fin_wait: story("nf-tcp-in-fin-wait");
        tcp_in_last_ack: story("nf-tcp-in-last-ack");
        tcp_in_none: story("nf-tcp-in-none");
        tcp_in_syn_recv: story("nf-tcp-in-syn-recv");
        tcp_in_syn_sent: story("nf-tcp-in-syn-sent");
        tcp_in_syn_sent_2: story("nf-tcp-in-syn-sent-2");
        tcp_in_time_wait: story("nf-tcp-in-time-wait");
        tcp_liberal: story("nf-tcp-liberal");
        tcp_loose: story("nf-tcp-loose");
        tcp_loose_picked_up: story("nf-tcp-loose-picked-up");
        tcp_malformed: story("nf-tcp-malformed");
        tcp_options: story("nf-tcp-options");
        tcp_reset_any: story("nf-tcp-reset-any");
        tcp_reset_window: story("nf-tcp-reset-window");
        tcp_retransmissions: story("nf-tcp-retransmissions");
        tcp_second: story("nf-tcp-second");
        tcp_states: story("nf-tcp-states");
        tcp_states_odd: story("nf-tcp-states-odd");
        tcp_timeouts: story("nf-tcp-timeouts");
        tcp_window: story("nf-tcp-window");
        tcp_window_edges: story("nf-tcp-window-edges");
        tcp_window_edges_scaled: story("nf-tcp-window-edges-scaled");
        tcp_window_scale: story("nf-tcp-window-scale");
        tcpmss: story("nf-tcpmss");
        tcpoptstrip: story("nf-tcpoptstrip");
        tee: story("nf-tee");
        time: story("nf-time");
        trace: story("nf-trace");
        ttl: story("nf-ttl");
        ttl_and_hooks: story("nf-ttl-and-hooks");
        u32: story("nf-u32");
        udp_checksum_off: story("nf-udp-checksum-off");
        udp_states: story("nf-udp-states");
        untracked_kinds: story("nf-untracked-kinds");
    }
    // Live, what is gone is given up sooner than with Linux; and an address that is gone answers no question.
    replayed {
        connlimit: story("nf-connlimit");
        nat_address_gone: story("nf-nat-address-gone");
    }
    lived {}
    open {}
}

/// Each match and target that the manual lists stands in a rule that both are asked about.
#[test]
fn every_match_and_target_is_asked_of_linux() {
    let root = netfilter::rule_file("").join("..");
    let mut texts = String::new();
    let mut files = 0;
    for kind in ["rules", "stories"] {
        for entry in std::fs::read_dir(root.join(kind)).expect("the corpus") {
            files += usize::from(kind == "rules");
            texts += &std::fs::read_to_string(entry.expect("a file").path()).expect("a text");
        }
    }
    let said: BTreeSet<(&str, &str)> = texts
        .lines()
        .flat_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
        })
        .collect();
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/iptables.md");
    let manual = std::fs::read_to_string(manual).expect("the manual");
    let mut option = "";
    let mut missing = Vec::new();
    for line in manual.lines() {
        match line {
            "## Matches" => option = "-m",
            "## Targets" => option = "-j",
            "## Refused" => break,
            _ => {}
        }
        // Debian's xtables have no match of UDP-Lite.
        let name = line.strip_prefix("| `").and_then(|rest| rest.split('`').next());
        missing.extend(name.filter(|name| *name != "udplite" && !said.contains(&(option, *name))));
    }
    assert!(missing.is_empty(), "nobody asks about {missing:?}");
    let frames =
        all().iter().flat_map(|family| &family.steps).filter(|it| it.command.is_none()).count();
    assert!(files >= 200 && frames >= 8000, "only {files} rule files and {frames} frames");
}
