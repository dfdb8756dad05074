//! Makes the bindings from the installed DPDK.
//!
//! The list of what is bound is narrow on purpose: what Wagonway uses, nothing else. Static inline
//! functions that are called once a burst are wrapped by bindgen; what is called once a packet is
//! written in Rust on the fields of the structs (`src/dpdk/mbuf.rs` of the main package).

use std::{env, path::PathBuf};

const FUNCTIONS: &[&str] = &[
    "rte_eal_init",
    "rte_eal_cleanup",
    "rte_version",
    "rte_strerror",
    "rte_thread_register",
    "rte_thread_unregister",
    "rte_lcore_.*",
    "rte_socket_.*",
    "rte_get_tsc_hz",
    "rte_log_.*",
    "rte_openlog_stream",
    "rte_dev_(probe|remove)",
    "rte_eal_hotplug_(add|remove)",
    "rte_mempool_avail_count",
    "rte_mempool_in_use_count",
    "rte_pktmbuf_pool_create",
    "rte_pktmbuf_alloc",
    "rte_pktmbuf_alloc_bulk",
    "rte_pktmbuf_free",
    "rte_pktmbuf_free_bulk",
    "rte_eth_.*",
    "rte_ether_.*",
    "rte_fib_.*",
    "rte_malloc_get_socket_stats",
    "rte_epoll_.*",
    "wagonway_errno",
];

fn main() {
    println!("cargo:rerun-if-changed=wrapper.h");
    println!("cargo:rerun-if-changed=shim.c");
    let dpdk = pkg_config::Config::new().atleast_version("22.11").probe("libdpdk");
    let dpdk = dpdk.unwrap_or_else(|error| {
        panic!(
            "DPDK 22.11 or later is not installed, or pkg-config does not find it.\n\
             On Debian and Ubuntu: apt-get install libdpdk-dev pkg-config\n\n{error}"
        )
    });
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let includes: Vec<_> =
        dpdk.include_paths.iter().map(|path| format!("-I{}", path.display())).collect();
    // DPDK's headers need its configuration and SSSE3; pkg-config's own parser drops such flags.
    let flags = ["-include", "rte_config.h", "-march=x86-64-v3"];

    let mut builder = bindgen::Builder::default()
        .header("wrapper.h")
        .clang_args(&includes)
        .clang_args(flags)
        .wrap_static_fns(true)
        .wrap_static_fns_path(out.join("inlines"))
        .clang_macro_fallback()
        .clang_macro_fallback_build_dir(&out)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .allowlist_type("rte_(mbuf|mempool|eth_.*|ether_addr|fib|fib_conf|epoll_event)")
        .allowlist_var("RTE_(ETH|ETHER|MBUF|PKTMBUF|MAX|VER|LOG|EPOLL|INTR|MEMPOOL)_.*")
        .allowlist_var("RTE_(ETH|FIB)_.*")
        .opaque_type("rte_arp_.*|rte_gtp_.*|rte_l2tpv2_.*|rte_ipv6_.*")
        .derive_default(true)
        .layout_tests(false)
        .generate_comments(false);
    for function in FUNCTIONS {
        builder = builder.allowlist_function(*function);
    }
    let bindings = builder.generate().unwrap_or_else(|error| {
        panic!(
            "bindgen could not read DPDK's headers.\n\
             On Debian and Ubuntu it needs: apt-get install clang libclang-dev\n\n{error}"
        )
    });
    bindings.write_to_file(out.join("bindings.rs")).expect("OUT_DIR can be written");

    cc::Build::new()
        .file("shim.c")
        .file(out.join("inlines.c"))
        .include(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"))
        .includes(&dpdk.include_paths)
        .flag("-include")
        .flag("rte_config.h")
        .flag("-march=x86-64-v3")
        .flag("-O3")
        .warnings(false)
        .compile("wagonway_dpdk_shim");
}
