//! The look-up object defines what the archives need, with the right types, and shows it to nobody else.

mod common;

use std::collections::BTreeSet;
use std::process::Command;

#[test]
fn defines_exactly_what_the_archives_need() {
    let mut needed = BTreeSet::new();
    for library in ["pmem", "pmemlog", "pmemblk"] {
        let archive = format!("{}/lib{library}.a", env!("PMDK_ARCHIVES"));
        let symbols = common::output(Command::new("nm").arg("-u").arg(archive));
        let names = symbols.split_whitespace().filter(|name| name.starts_with("ndctl_") || name.starts_with("daxctl_"));
        needed.extend(names.map(str::to_owned));
    }
    let (hidden, visible): (BTreeSet<_>, BTreeSet<_>) = defined().into_iter().partition(|(_, hidden)| *hidden);
    assert_eq!(visible, BTreeSet::new());
    assert_eq!(hidden.into_iter().map(|(name, _)| name).collect::<BTreeSet<_>>(), needed);
}

#[test]
fn has_the_types_of_the_headers() {
    common::output(
        Command::new("gcc")
            // The headers have an enumeration where the file has the unsigned int that it is.
            .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-enum-int-mismatch"])
            .args(["-include", "ndctl/libndctl.h", "-include", "daxctl/libdaxctl.h"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ndctl.c")),
    );
}

/// The global symbols that the look-up object defines, and whether they are hidden.
fn defined() -> BTreeSet<(String, bool)> {
    let archive = concat!(env!("OUT_DIR"), "/libpmem_ndctl.a");
    let symbols = common::output(Command::new("readelf").args(["-sW", archive]));
    let row = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [_, _, _, _, "GLOBAL" | "WEAK", visibility, section, name] if section != "UND" => {
            Some((name.to_owned(), visibility == "HIDDEN"))
        }
        _ => None,
    };
    symbols.lines().filter_map(row).collect()
}
