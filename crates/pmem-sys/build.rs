//! Finds the static archives of the NVM Library and links them, with what they need besides: the libndctl
//! look-up object, the environment and syncs as they are to see them, and atomic operations of 64-bit Arm.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// Dependents before what they depend on.
const LIBRARIES: [&str; 3] = ["pmemlog", "pmemblk", "pmem"];

const LIB_DIR: &str = "PMDK_LIB_DIR";

const ADVICE: &str = "On Debian and Ubuntu, install pkg-config, libpmem-dev, libpmemlog-dev and libpmemblk-dev, \
    or set PMDK_LIB_DIR to a folder with libpmem.a, libpmemlog.a and libpmemblk.a for the target. To build without \
    PMDK, leave out the cargo feature `pmdk` of the crates that depend on pmem-sys.";

fn main() {
    println!("cargo::rerun-if-env-changed={LIB_DIR}");

    let target = |key: &str| env::var(format!("CARGO_CFG_TARGET_{key}")).unwrap_or_default();
    if target("OS") != "linux" || target("ENV") != "gnu" {
        fail("PMDK is linked on Linux with glibc only");
    }

    let (dir, version) = match env::var_os(LIB_DIR) {
        Some(dir) => unpacked(Path::new(&dir)),
        None => installed(),
    };
    println!("cargo::rustc-link-search=native={}", dir.display());
    for library in LIBRARIES {
        let archive = dir.join(format!("lib{library}.a"));
        if !archive.is_file() {
            fail(&format!("{} is missing", archive.display()));
        }
        println!("cargo::rerun-if-changed={}", archive.display());
        println!("cargo::rustc-link-lib=static={library}");
    }
    println!("cargo::rustc-env=PMDK_VERSION={version}");
    println!("cargo::rustc-env=PMDK_ARCHIVES={}", dir.display());

    compile("ndctl", &[]);
    compile("environment", &["-D_GNU_SOURCE"]);
    compile("syncs", &["-D_GNU_SOURCE"]);
    if target("ARCH") == "aarch64" {
        compile("atomics", &["-mno-outline-atomics"]);
    }
}

/// Compiles a C file of ours into the library.
fn compile(name: &str, flags: &[&str]) {
    let source = format!("src/{name}.c");
    println!("cargo::rerun-if-changed={source}");
    let mut build = cc::Build::new();
    build.file(source).pic(true).flag("-fvisibility=hidden").flags(flags);
    build.compile(&format!("pmem_{name}"));
}

/// The folder and version of the libraries that pkg-config knows.
///
/// Only libpmem is asked for: the others privately require libndctl, whose development files
/// a static link does not need.
fn installed() -> (PathBuf, String) {
    let found = pkg_config::Config::new().cargo_metadata(false).env_metadata(true).probe("libpmem");
    let library = found.unwrap_or_else(|error| fail(&format!("libpmem was not found: {error}")));
    let dir = pkg_config::get_variable("libpmem", "libdir")
        .unwrap_or_else(|error| fail(&format!("the folder of libpmem was not found: {error}")));
    (dir.into(), library.version)
}

/// The folder that the user named, and the version that a `.pc` file beside the archives states.
fn unpacked(dir: &Path) -> (PathBuf, String) {
    let dir = dir.canonicalize().unwrap_or_else(|error| fail(&format!("{LIB_DIR} is {}: {error}", dir.display())));
    let pc = dir.join("pkgconfig/libpmem.pc");
    let Ok(text) = fs::read_to_string(&pc) else {
        return (dir, "unknown".into());
    };
    println!("cargo::rerun-if-changed={}", pc.display());
    let version = text
        .lines()
        .find_map(|line| line.strip_prefix("version=").or(line.strip_prefix("Version:")))
        .map_or("unknown", str::trim);
    (dir, version.into())
}

fn fail(problem: &str) -> ! {
    for line in problem.lines().chain([ADVICE]).filter(|line| !line.is_empty()) {
        println!("cargo::error={line}");
    }
    process::exit(1);
}
