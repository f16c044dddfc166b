//! Compiles the hash map over libpmemobj where that library's development files are found: in the folder that
//! `PMEMOBJ_ROOT` names, where the machine has them installed, or where `scripts/bench-heap.mjs` unpacks them.
//! Where they are not, the benchmark is built without it, and says so when it runs.

use std::env;
use std::path::{Path, PathBuf};

const ROOT: &str = "PMEMOBJ_ROOT";
const SOURCE: &str = "c/pmemobj.c";
const UNPACKED: &str = "../../.tools/pmdk-objects/root";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(pmemobj)");
    println!("cargo::rerun-if-env-changed={ROOT}");
    for file in [SOURCE, UNPACKED, "build.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    let Some(root) = env::var_os(ROOT).map(PathBuf::from).or_else(installed).or_else(unpacked) else {
        println!("cargo::warning=libpmemobj-dev was not found: building without libpmemobj");
        return;
    };
    let libraries = libraries(&root);
    cc::Build::new()
        .file(SOURCE)
        .include(root.join("usr/include"))
        .opt_level(3)
        .warnings_into_errors(true)
        .extra_warnings(true)
        .compile("heap_bench_pmemobj");
    println!("cargo::rustc-link-search=native={}", libraries.display());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libraries.display());
    println!("cargo::rustc-link-lib=dylib=pmemobj");
    println!("cargo::rustc-cfg=pmemobj");
}

/// The file system's root, where the machine has the development files.
fn installed() -> Option<PathBuf> {
    pkg_config::Config::new()
        .cargo_metadata(false)
        .env_metadata(true)
        .print_system_libs(false)
        .probe("libpmemobj")
        .ok()?;
    Some("/".into())
}

fn unpacked() -> Option<PathBuf> {
    let root = Path::new(UNPACKED).canonicalize().ok()?;
    libraries(&root).join("libpmemobj.so").exists().then_some(root)
}

/// Debian's folder for the libraries of the machine.
fn libraries(root: &Path) -> PathBuf {
    let architecture = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    root.join(format!("usr/lib/{architecture}-linux-gnu"))
}
