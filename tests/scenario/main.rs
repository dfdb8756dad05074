//! Real hosts on either side of the router, and what their users see.
//!
//! Each story is told first with a Linux router in the middle, which shows that the story itself
//! is true, and then with Wagonway on packet sockets and on XDP sockets.

#[path = "../common/mod.rs"]
mod common;

mod filters;
mod flows;
mod lifecycle;
mod nat64;
mod paths;
mod plan;
mod probes;
mod queues;
mod router;
mod six;
mod six_hosts;
mod six_stories;
mod stories;
mod translations;
mod vrfs;
mod world;

use common::skip::need_root;

macro_rules! story {
    ($module:ident $router:ty: $story:ident) => {
        #[test]
        fn $story() {
            need_root!(concat!("scenario::", stringify!($module), "::", stringify!($story)));
            stories::$story::<$router>();
        }
    };
}

macro_rules! all_stories {
    ($module:ident $router:ty) => {
        mod $module {
            use super::*;
            story! { $module $router: hosts_ping_each_other_and_the_router }
            story! { $module $router: pings_larger_than_a_frame_come_back }
            story! { $module $router: pings_of_the_router_larger_than_a_frame_come_back }
            story! { $module $router: udp_larger_than_a_frame_crosses_a_narrow_link }
            story! { $module $router: traceroute_shows_the_router }
            story! { $module $router: tracepath_finds_the_narrow_places }
            story! { $module $router: hosts_are_told_what_is_wrong }
            story! { $module $router: arp_works_both_ways }
            story! { $module $router: a_host_that_changes_its_address_is_followed }
            story! { $module $router: a_proxy_joins_two_links }
            story! { $module $router: tcp_runs_at_a_gigabit }
        }
    };
}

all_stories!(linux router::Linux);
all_stories!(af_packet router::Wagonway<router::AfPacket>);
all_stories!(af_xdp router::Wagonway<router::AfXdp>);

macro_rules! paths {
    ($($module:ident $kind:expr;)*) => {
        $(mod $module {
            use super::*;
            paths! { each $module $kind =>
                tracepath_finds_one_narrow_place_behind_another
                host_obeys_a_redirect
                router_obeys_a_redirect
                traffic_leaves_a_link_that_goes
                a_port_changes_its_ethernet_address
            }
        })*
    };
    (each $module:ident $kind:expr => $($story:ident)*) => {
        $(#[test]
        fn $story() {
            need_root!(concat!("scenario::", stringify!($module), "::", stringify!($story)));
            paths::$story($kind);
        })*
    };
}

paths! {
    linux_paths plan::Kind::Linux;
    wagonway_paths plan::Kind::Wagonway;
}

/// Stories of IPv6.
macro_rules! six {
    ($($module:ident $kind:expr => { $($from:ident { $($story:ident)* })* })*) => {
        $(mod $module {
            use super::*;
            $($(#[test]
            fn $story() {
                need_root!(concat!("scenario::", stringify!($module), "::", stringify!($story)));
                $from::$story($kind);
            })*)*
        })*
    };
}

six! {
    linux_six plan::Kind::Linux => {
        six_stories {
            hosts_ping_each_other_and_the_router
            pings_larger_than_a_frame_come_back
            traceroute_shows_the_router
            tracepath_finds_the_narrow_places
            hosts_are_told_what_is_wrong
            neighbours_are_found_both_ways
            tcp_runs_at_a_gigabit
            an_address_is_answered_for
            a_host_obeys_a_redirect
            a_port_changes_its_ethernet_address
        }
        six_hosts {
            hosts_configure_themselves
            every_field_of_an_advertisement_is_read
            a_router_learns_from_another
            a_duplicate_address_is_not_taken
            attacks_do_not_disturb_others
        }
    }
    wagonway_six plan::Kind::Wagonway => {
        six_stories {
            hosts_ping_each_other_and_the_router
            pings_larger_than_a_frame_come_back
            traceroute_shows_the_router
            tracepath_finds_the_narrow_places
            hosts_are_told_what_is_wrong
            neighbours_are_found_both_ways
            tcp_runs_at_a_gigabit
            an_address_is_answered_for
            a_host_obeys_a_redirect
            a_port_changes_its_ethernet_address
        }
        six_hosts {
            hosts_configure_themselves
            every_field_of_an_advertisement_is_read
            a_router_learns_from_another
            a_duplicate_address_is_not_taken
            attacks_do_not_disturb_others
        }
    }
}

/// Stories of packet filters.
macro_rules! filters {
    ($($module:ident $kind:expr;)*) => {
        $(mod $module {
            use super::*;
            filters! { each filters $module $kind =>
                ftp_crosses_a_masquerade
                ftp_reaches_a_server_behind_the_router
                tftp_crosses_a_masquerade
                copies_go_to_a_stranger
                neighbours_meet_by_the_address_of_the_router
                pings_to_many_come_back_through_a_masquerade
                a_flood_does_not_reach_the_server
            }
            filters! { each translations $module $kind =>
                pages_cross_translation_both_ways
                transfers_run_side_by_side_through_translation
                traceroutes_see_every_hop_through_translation
                fifty_thousand_connections_leave_nothing_behind
                a_masquerade_follows_its_address
            }
        })*
    };
    (each $from:ident $module:ident $kind:expr => $($story:ident)*) => {
        $(#[test]
        fn $story() {
            need_root!(concat!("scenario::", stringify!($module), "::", stringify!($story)));
            $from::$story($kind);
        })*
    };
}

filters! {
    linux_filters plan::Kind::Linux;
    wagonway_filters plan::Kind::Wagonway;
}

/// This machine's kernel may know no VRFs; the oracle asks one that does.
#[test]
fn equal_addresses_live_apart_and_leak_on_purpose() {
    need_root!("scenario::equal_addresses_live_apart_and_leak_on_purpose");
    vrfs::equal_addresses_live_apart_and_leak_on_purpose();
}

macro_rules! lifecycle {
    ($($name:ident: $story:expr;)*) => {
        mod wagonway {
            use super::*;
            $(
                #[test]
                fn $name() {
                    need_root!(concat!("scenario::wagonway::", stringify!($name)));
                    $story;
                }
            )*
        }
    };
}

lifecycle! {
    stops_cleanly_on_sigterm: lifecycle::stops_cleanly::<router::AfPacket>(rustix::process::Signal::TERM);
    stops_cleanly_on_sigint: lifecycle::stops_cleanly::<router::AfPacket>(rustix::process::Signal::INT);
    stops_cleanly_on_sigterm_with_xdp: lifecycle::stops_cleanly::<router::AfXdp>(rustix::process::Signal::TERM);
    is_changed_and_looked_into: lifecycle::is_changed_and_looked_into();
    an_ipv6_gateway_serves_ipv4: lifecycle::an_ipv6_gateway_serves_ipv4();
    is_ruled_and_watched: lifecycle::is_ruled_and_watched();
    stops_under_load: lifecycle::stops_under_load();
    second_instance_of_a_name_is_refused: lifecycle::second_instance_of_a_name_is_refused();
    starts_again_after_being_killed: lifecycle::starts_again_after_being_killed::<router::AfPacket>();
    starts_again_after_being_killed_with_xdp: lifecycle::starts_again_after_being_killed::<router::AfXdp>();
    device_that_does_not_exist_is_named: lifecycle::device_that_does_not_exist_is_named();
    missing_rights_are_explained: lifecycle::missing_rights_are_explained();
    pings_read_as_those_of_iputils: probes::pings_read_as_those_of_iputils();
    traceroutes_read_as_those_of_linux: probes::traceroutes_read_as_those_of_linux();
    pings_over_ipv6_read_as_those_of_iputils: probes::pings_over_ipv6_read_as_those_of_iputils();
    traceroutes_over_ipv6_read_as_those_of_linux: probes::traceroutes_over_ipv6_read_as_those_of_linux();
    a_group_is_pinged: probes::a_group_is_pinged();
    arpings_read_as_those_of_iputils: probes::arpings_read_as_those_of_iputils();
    arping_tells_neighbours_and_is_answered: probes::arping_tells_neighbours_and_is_answered();
    probes_leave_by_a_vrf: probes::probes_leave_by_a_vrf();
    a_session_ends_with_its_client: probes::a_session_ends_with_its_client();
    masqueraded_connections_are_seen_cut_and_followed: flows::masqueraded_connections_are_seen_cut_and_followed();
    a_program_accepts_drops_and_changes_packets: queues::a_program_accepts_drops_and_changes_packets();
    the_documented_program_lets_a_file_pass: queues::the_documented_program_lets_a_file_pass();
    rules_tell_of_packets: queues::rules_tell_of_packets();
    a_host_of_ipv6_reaches_a_server_of_ipv4: nat64::a_host_of_ipv6_reaches_a_server_of_ipv4();
    martians_are_logged_as_the_kernel_does: probes::martians_are_logged_as_the_kernel_does();
    mistakes_in_the_configuration_are_located: lifecycle::mistakes_in_the_configuration_are_located();
}
