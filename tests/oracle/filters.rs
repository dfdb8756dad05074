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

/// Two workers do what Linux does.
macro_rules! apart {
    ($($name:ident: $family:literal;)*) => {
        mod like_linux_with_two_workers {
            use super::*;
            $(#[test]
            fn $name() {
                let test = concat!("oracle::like_linux_with_two_workers::", stringify!($name));
                need_root!(test);
                let family = record::expected(story($family));
                if !without_guest(test, &family) {
                    ask_both(&family, wagonway::play_apart);
                }
            })*
        }
    };
}

// What remembers of several connections together is each worker's own, and not here.
apart! {
    accounting: "nf-accounting";
    addresses: "nf-addresses";
    addrtype: "nf-addrtype";
    chains: "nf-chains";
    classes: "nf-classes";
    classify_checksum: "nf-classify-checksum";
    connlimit_modes: "nf-connlimit-modes";
    comment_pkttype: "nf-comment-pkttype";
    conntrack_tool: "nf-conntrack-tool";
    ct_basic: "nf-ct-basic";
    ct_events_helper: "nf-ct-events-helper";
    ct_fields: "nf-ct-fields";
    ct_label: "nf-ct-label";
    ct_mark: "nf-ct-mark";
    ct_mark_xor: "nf-ct-mark-xor";
    ct_notrack: "nf-ct-notrack";
    ct_state: "nf-ct-state";
    ct_zone_mark: "nf-ct-zone-mark";
    ct_zones: "nf-ct-zones";
    ct_zones_direction: "nf-ct-zones-direction";
    dccp: "nf-dccp";
    drop_in_nat_chain: "nf-drop-in-nat-chain";
    dscp: "nf-dscp";
    early_drop_by_hook: "nf-early-drop-by-hook";
    ecn: "nf-ecn";
    every_table: "nf-every-table";
    expiry: "nf-expiry";
    frag_conntrack: "nf-frag-conntrack";
    fragments: "nf-fragments";
    gre_generic: "nf-gre-generic";
    hashlimit: "nf-hashlimit";
    hashlimit_more: "nf-hashlimit-more";
    icmp_states: "nf-icmp-states";
    icmp_types: "nf-icmp-types";
    input_filter: "nf-input-filter";
    interfaces: "nf-interfaces";
    ip_options: "nf-ip-options";
    ipcomp_cpu_udplite: "nf-ipcomp-cpu-udplite";
    iprange: "nf-iprange";
    large: "nf-large";
    length: "nf-length";
    limit: "nf-limit";
    live_chains: "nf-live-chains";
    live_edits: "nf-live-edits";
    live_edits_of_flows: "nf-live-edits-of-flows";
    live_tables: "nf-live-tables";
    log: "nf-log";
    mac: "nf-mac";
    mangle_ct_restore: "nf-mangle-ct-restore";
    mangle_output_route: "nf-mangle-output-route";
    mark_reflect: "nf-mark-reflect";
    marks_route: "nf-marks-route";
    marks: "nf-marks";
    multiport: "nf-multiport";
    nat_both: "nf-nat-both";
    nat_checksums: "nf-nat-checksums";
    nat_dnat: "nf-nat-dnat";
    nat_dnat_port_map: "nf-nat-dnat-port-map";
    nat_dnat_self: "nf-nat-dnat-self";
    nat_drop_in_chain: "nf-nat-drop-in-chain";
    nat_fragments: "nf-nat-fragments";
    nat_hairpin: "nf-nat-hairpin";
    nat_helper_ftp: "nf-nat-helper-ftp";
    nat_helper_ftp_grows: "nf-nat-helper-ftp-grows";
    nat_helper_irc_sip: "nf-nat-helper-irc-sip";
    nat_helper_pptp: "nf-nat-helper-pptp";
    nat_helper_tftp: "nf-nat-helper-tftp";
    nat_icmp_inside: "nf-nat-icmp-inside";
    nat_icmp_kinds: "nf-nat-icmp-kinds";
    nat_ip_options: "nf-nat-ip-options";
    nat_loaded_late: "nf-nat-loaded-late";
    nat_local_clash: "nf-nat-local-clash";
    nat_masquerade: "nf-nat-masquerade";
    nat_masquerade_conflict: "nf-nat-masquerade-conflict";
    nat_masquerade_ports: "nf-nat-masquerade-ports";
    nat_moved: "nf-nat-moved";
    nat_mtu: "nf-nat-mtu";
    nat_netmap: "nf-nat-netmap";
    nat_null: "nf-nat-null";
    nat_random_of_one: "nf-nat-random-of-one";
    nat_redirect: "nf-nat-redirect";
    nat_reuse: "nf-nat-reuse";
    nat_snat: "nf-nat-snat";
    nat_snat_persistent: "nf-nat-snat-persistent";
    nat_snat_privileged: "nf-nat-snat-privileged";
    nat_two_routes: "nf-nat-two-routes";
    nat_vlan: "nf-nat-vlan";
    odd_file: "nf-odd-file";
    owner_policy: "nf-owner-policy";
    policies: "nf-policies";
    ports: "nf-ports";
    protocols: "nf-protocols";
    queue: "nf-queue";
    quota_connbytes: "nf-quota-connbytes";
    rates: "nf-rates";
    raw_drop: "nf-raw-drop";
    realm_devgroup_cpu: "nf-realm-devgroup-cpu";
    recent: "nf-recent";
    recent_more: "nf-recent-more";
    reject: "nf-reject";
    reject_conntrack: "nf-reject-conntrack";
    reject_mangle_mark: "nf-reject-mangle-mark";
    router_only: "nf-router-only";
    restore_again: "nf-restore-again";
    restore_half: "nf-restore-half";
    restore_loop: "nf-restore-loop";
    rpfilter: "nf-rpfilter";
    sctp_dccp_esp_ah: "nf-sctp-dccp-esp-ah";
    sctp_odd: "nf-sctp-odd";
    sctp_states: "nf-sctp-states";
    security: "nf-security";
    set_expiry: "nf-set-expiry";
    set_hash_ip: "nf-set-hash-ip";
    set_ports: "nf-set-ports";
    set_swap: "nf-set-swap";
    set_target: "nf-set-target";
    six_addresses: "nf-six-addresses";
    six_and_four: "nf-six-and-four";
    six_chains: "nf-six-chains";
    six_ct: "nf-six-ct";
    six_ct_fragments: "nf-six-ct-fragments";
    six_ct_icmp: "nf-six-ct-icmp";
    six_ct_tcp: "nf-six-ct-tcp";
    six_every_table: "nf-six-every-table";
    six_fragments: "nf-six-fragments";
    six_headers: "nf-six-headers";
    six_icmp_types: "nf-six-icmp-types";
    six_interfaces_protocols: "nf-six-interfaces-protocols";
    six_length_hl: "nf-six-length-hl";
    six_limits: "nf-six-limits";
    six_live_edits: "nf-six-live-edits";
    six_mac_iprange_addrtype: "nf-six-mac-iprange-addrtype";
    six_mark_reflect: "nf-six-mark-reflect";
    six_mark_route: "nf-six-mark-route";
    six_marks_dscp: "nf-six-marks-dscp";
    six_mobility: "nf-six-mobility";
    six_nat_ftp: "nf-six-nat-ftp";
    six_nat_masquerade: "nf-six-nat-masquerade";
    six_nat_moved: "nf-six-nat-moved";
    six_nat_netmap: "nf-six-nat-netmap";
    six_nat_snat_dnat: "nf-six-nat-snat-dnat";
    six_notrack_zone: "nf-six-notrack-zone";
    six_npt: "nf-six-npt";
    six_ports_flags: "nf-six-ports-flags";
    six_reject: "nf-six-reject";
    six_sets: "nf-six-sets";
    six_soup_0: "nf-six-soup-0";
    six_soup_1: "nf-six-soup-1";
    six_soup_2: "nf-six-soup-2";
    six_soup_3: "nf-six-soup-3";
    six_soup_4: "nf-six-soup-4";
    six_soup_5: "nf-six-soup-5";
    six_synproxy: "nf-six-synproxy";
    six_targets: "nf-six-targets";
    soup_0: "nf-soup-0";
    soup_1: "nf-soup-1";
    soup_2: "nf-soup-2";
    soup_3: "nf-soup-3";
    soup_4: "nf-soup-4";
    soup_5: "nf-soup-5";
    soup_6: "nf-soup-6";
    soup_7: "nf-soup-7";
    soup_8: "nf-soup-8";
    soup_9: "nf-soup-9";
    stateless_large_frames: "nf-stateless-large-frames";
    statistic: "nf-statistic";
    string: "nf-string";
    synproxy: "nf-synproxy";
    synproxy_input: "nf-synproxy-input";
    tcp_flags: "nf-tcp-flags";
    tcp_in_close: "nf-tcp-in-close";
    tcp_in_close_wait: "nf-tcp-in-close-wait";
    tcp_in_established: "nf-tcp-in-established";
    tcp_in_fin_wait: "nf-tcp-in-fin-wait";
    tcp_in_last_ack: "nf-tcp-in-last-ack";
    tcp_in_none: "nf-tcp-in-none";
    tcp_in_syn_recv: "nf-tcp-in-syn-recv";
    tcp_in_syn_sent: "nf-tcp-in-syn-sent";
    tcp_in_syn_sent_2: "nf-tcp-in-syn-sent-2";
    tcp_in_time_wait: "nf-tcp-in-time-wait";
    tcp_liberal: "nf-tcp-liberal";
    tcp_loose: "nf-tcp-loose";
    tcp_loose_picked_up: "nf-tcp-loose-picked-up";
    tcp_malformed: "nf-tcp-malformed";
    tcp_options: "nf-tcp-options";
    tcp_reset_any: "nf-tcp-reset-any";
    tcp_reset_window: "nf-tcp-reset-window";
    tcp_retransmissions: "nf-tcp-retransmissions";
    tcp_second: "nf-tcp-second";
    tcp_states: "nf-tcp-states";
    tcp_states_odd: "nf-tcp-states-odd";
    tcp_timeouts: "nf-tcp-timeouts";
    tcp_window: "nf-tcp-window";
    tcp_window_edges: "nf-tcp-window-edges";
    tcp_window_edges_scaled: "nf-tcp-window-edges-scaled";
    tcp_window_scale: "nf-tcp-window-scale";
    tcpmss: "nf-tcpmss";
    tcpoptstrip: "nf-tcpoptstrip";
    tee: "nf-tee";
    time: "nf-time";
    trace: "nf-trace";
    ttl: "nf-ttl";
    ttl_and_hooks: "nf-ttl-and-hooks";
    u32: "nf-u32";
    udp_checksum_off: "nf-udp-checksum-off";
    udp_states: "nf-udp-states";
    untracked_kinds: "nf-untracked-kinds";
    connlimit: "nf-connlimit";
    nat_address_gone: "nf-nat-address-gone";
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
