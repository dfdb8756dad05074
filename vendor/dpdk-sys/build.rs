//! Finds the installed DPDK, makes its Rust bindings and compiles the few lines of C they need.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// The functions that the product or its tests call. Inline ones get a wrapper in C, so they are
/// meant to be called once for a burst, not once for a packet.
const FUNCTIONS: &[&str] = &[
    "dpdk_(errno|set_errno|log_to|eal_init|link|xdp_.*|if_.*|packet_.*)",
    "rte_eal_(cleanup|process_type|has_hugepages|has_pci|iova_mode|get_runtime_dir|primary_proc_alive|hotplug_add|hotplug_remove)",
    "rte_thread_(register|unregister)",
    "rte_lcore_(id|count|index|to_socket_id|to_cpu_id|is_enabled)",
    "rte_(get_main_lcore|socket_id|socket_count|socket_id_by_idx)",
    "rte_log_(set_global_level|get_global_level|set_level|set_level_pattern|set_level_regexp)",
    "rte_strerror",
    "rte_version.*",
    "rte_(rdtsc|get_tsc_cycles|get_tsc_hz|get_timer_hz|pause)",
    "rte_vect_(get|set)_max_simd_bitwidth",
    "rte_(malloc|malloc_socket|zmalloc|zmalloc_socket|free)",
    "rte_malloc_get_socket_stats",
    "rte_memseg_list_walk",
    "rte_(dev|driver)_(probe|remove|is_probed|name|driver|numa_node|event_.*|hotplug_handle_.*)",
    "rte_pktmbuf_.*",
    "rte_mbuf_(dynfield|dynflag|refcnt|sanity|check|raw|best|user|set|platform|get|buf|iova|data_iova|dyn|ext_refcnt|fast_free|prefetch).*",
    "rte_mempool_.*",
    "rte_ring_(create|free|lookup|get_memsize|count|free_count|empty|full|get_size|get_capacity|reset|dump)",
    "rte_ring_(enqueue|dequeue|sp_enqueue|sc_dequeue|mp_enqueue|mc_dequeue)(_bulk|_burst)?",
    "rte_eth_.*",
    "rte_ether_.*",
    "rte_softrss(_be)?",
    "rte_convert_rss_key",
    "rte_fib6?_.*",
    "rte_pdump_(init|uninit)",
];

/// Types that no allowed function mentions by itself.
const TYPES: &[&str] = &[
    "rte_mbuf.*",
    "rte_ether_addr",
    "rte_eth_.*",
    "rte_ipv[46]_tuple",
    "rte_pktmbuf_pool_private",
    "dpdk_.*",
];

/// Constants, as macros and as members of enums.
const VARS: &[&str] = &[
    "DPDK_MBUF_.*",
    "RTE_VER_.*",
    "RTE_(MAX_LCORE|MAX_ETHPORTS|MAX_QUEUES_PER_PORT|MAX_NUMA_NODES|PKTMBUF_HEADROOM|CACHE_LINE_SIZE|MEMPOOL_CACHE_MAX_SIZE|MEMPOOL_NAMESIZE|DEV_NAME_MAX_LEN)",
    "RTE_(ETH|ETHER|MBUF|PTYPE|MEMPOOL|LOG|LOGTYPE|DEV|INTR_EVENT|PROC|IOVA|VECT_SIMD|FIB|FIB6|RING)_.*",
    "(SOCKET|LCORE)_ID_ANY",
    "RING_F_.*",
];

/// Types whose Rust form would be wrong or unaligned: packed structures inside packed ones.
const OPAQUE: &[&str] =
    &["rte_arp_.*", "rte_gtp_.*", "rte_l2tpv2_.*", "rte_ether_hdr", "rte_vlan_hdr"];

fn main() {
    for file in ["build.rs", "c/wrapper.h", "c/kernel.h", "c/kernel.c", "c/shim.h", "c/shim.c"] {
        println!("cargo:rerun-if-changed={file}");
    }
    println!("cargo:rerun-if-env-changed=CC");
    println!("cargo:rerun-if-env-changed=CFLAGS");

    let dpdk = pkg_config::Config::new()
        .atleast_version("22.11")
        .probe("libdpdk")
        .unwrap_or_else(|error| no_dpdk(&error));
    let cflags = cflags();

    // A driver, which pkg-config leaves to be loaded at run time; its devices are made by a call here.
    println!("cargo:rustc-link-lib=rte_net_ring");
    println!("cargo:version={}", dpdk.version);
    for include in &dpdk.include_paths {
        println!("cargo:include={}", include.display());
    }
    // From 24.11 an IPv6 address is a structure of its own in every signature.
    if version(&dpdk.version) >= (24, 11) {
        println!("cargo:rustc-cfg=dpdk_ipv6_addr");
    }

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let inlines = out.join("inlines.c");
    bind(&cflags, &out, &inlines);
    compile(&cflags, &inlines);
}

fn bind(cflags: &[String], out: &Path, inlines: &Path) {
    if let Err(why) = find_libclang() {
        fail(&format!(
            "libclang, which makes the DPDK bindings, could not be loaded: {why}\n\
             Install it: apt install clang libclang-dev\n\
             If it is in an unusual place, set LIBCLANG_PATH to the folder that holds libclang.so."
        ));
    }
    let mut bindings = bindgen::Builder::default()
        .header("c/wrapper.h")
        .clang_args(cflags)
        .wrap_static_fns(true)
        .wrap_static_fns_path(inlines)
        .clang_macro_fallback()
        .clang_macro_fallback_build_dir(out)
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .derive_default(true)
        .derive_debug(false)
        .generate_comments(false)
        .generate_cstr(true)
        .layout_tests(false)
        .merge_extern_blocks(true)
        .rust_edition(bindgen::RustEdition::Edition2024);
    for name in FUNCTIONS {
        bindings = bindings.allowlist_function(name);
    }
    for name in TYPES {
        bindings = bindings.allowlist_type(name);
    }
    for name in VARS {
        bindings = bindings.allowlist_var(name);
    }
    for name in OPAQUE {
        bindings = bindings.opaque_type(name);
    }
    match bindings.generate() {
        Ok(bindings) => bindings
            .write_to_file(out.join("bindings.rs"))
            .unwrap_or_else(|error| fail(&format!("cannot write the DPDK bindings: {error}"))),
        Err(error) => fail(&format!(
            "bindgen could not read the DPDK headers: {error}\n\
             The headers of libdpdk-dev and clang's own headers must both be there: \
             apt install libdpdk-dev clang libclang-dev"
        )),
    }
}

fn compile(cflags: &[String], inlines: &Path) {
    let mut build = cc::Build::new();
    // Only clang's objects can be inlined into Rust by the linker; any compiler makes correct ones.
    if env::var_os("CC").is_none() && Command::new("clang").arg("--version").output().is_ok() {
        build.compiler("clang");
    }
    build
        .file("c/shim.c")
        .file("c/kernel.c")
        .file(inlines)
        .include(".")
        .opt_level(3)
        .warnings(false);
    for flag in cflags {
        build.flag(flag);
    }
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        // After pkg-config's own -march, which is the oldest CPU that DPDK still supports.
        build.flag("-march=x86-64-v3");
    }
    // Some of DPDK's inline functions are marked experimental; the allow-list is the judge of that.
    build.define("ALLOW_EXPERIMENTAL_API", None);
    build.compile("dpdk_shim");
}

/// The compiler flags of libdpdk, with the forced include and `-march` that pkg-config's crate drops.
fn cflags() -> Vec<String> {
    let tool = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(tool)
        .args(["--cflags", "libdpdk"])
        .output()
        .unwrap_or_else(|error| fail(&format!("cannot run pkg-config: {error}")));
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

fn version(text: &str) -> (u32, u32) {
    let mut parts = text.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// Loads libclang once before bindgen does, because bindgen panics where a sentence is wanted.
fn find_libclang() -> Result<(), String> {
    std::panic::set_hook(Box::new(|_| ()));
    let loaded = std::panic::catch_unwind(bindgen::clang_version);
    let _ = std::panic::take_hook();
    loaded.map(|_| ()).map_err(|panic| {
        panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "no reason given".to_owned())
    })
}

fn no_dpdk(error: &pkg_config::Error) -> ! {
    fail(&format!(
        "DPDK 22.11 or newer was not found by pkg-config.\n\
         Install it: apt install libdpdk-dev pkg-config clang libclang-dev\n\
         If it is in an unusual place, set PKG_CONFIG_PATH to the folder that holds libdpdk.pc.\n\n{error}"
    ))
}

fn fail(text: &str) -> ! {
    // Standard error is all that cargo shows of a failed build script besides its directives.
    eprintln!("\n{text}\n");
    exit(1)
}
