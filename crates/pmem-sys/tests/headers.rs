//! The declarations are those of the installed C headers: the C compiler compares them.

mod common;

use pmem_sys::*;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, mem};
use syn::{
    Abi, FnArg, ForeignItem, GenericArgument, Item, PathArguments, PointerMutability, ReturnType, Type, Visibility,
};

const HEADERS: &str = "#include <libpmem.h>\n#include <libpmemlog.h>\n#include <libpmemblk.h>\n";

/// The macros of the headers that are no constants.
const INCLUDE_GUARDS: [&str; 3] = ["LIBPMEM_H", "LIBPMEMLOG_H", "LIBPMEMBLK_H"];

macro_rules! constants {
    ($($name:ident)*) => { [$((stringify!($name), $name as u64, mem::size_of_val(&$name))),*] }
}

/// Name, value and size in bytes of every constant.
const CONSTANTS: &[(&str, u64, usize)] = &constants! {
    PMEM_MAJOR_VERSION PMEM_MINOR_VERSION PMEM_MIN_PART
    PMEM_FILE_CREATE PMEM_FILE_EXCL PMEM_FILE_SPARSE PMEM_FILE_TMPFILE
    PMEM_F_MEM_NODRAIN PMEM_F_MEM_NONTEMPORAL PMEM_F_MEM_TEMPORAL PMEM_F_MEM_WC PMEM_F_MEM_WB PMEM_F_MEM_NOFLUSH
    PMEM_F_MEM_VALID_FLAGS
    PMEMLOG_MAJOR_VERSION PMEMLOG_MINOR_VERSION PMEMLOG_MIN_POOL PMEMLOG_MIN_PART
    PMEMBLK_MAJOR_VERSION PMEMBLK_MINOR_VERSION PMEMBLK_MIN_POOL PMEMBLK_MIN_PART PMEMBLK_MIN_BLK
};

#[test]
fn functions_have_the_types_of_the_headers() {
    let mut source = HEADERS.to_owned();
    for (_, prototype) in declared_functions() {
        writeln!(source, "{prototype};").unwrap();
    }
    check("functions.c", &source);
}

#[test]
fn functions_are_those_of_the_headers() {
    let headers = preprocess("function-names.c", &["-P"]).replace('(', " ( ");
    let words: Vec<&str> = headers.split_whitespace().collect();
    let in_headers: BTreeSet<String> = words
        .windows(2)
        .filter(|pair| pair[1] == "(")
        .map(|pair| pair[0].trim_start_matches('*'))
        .filter(|name| ["pmem_", "pmemlog_", "pmemblk_"].iter().any(|prefix| name.starts_with(prefix)))
        .map(str::to_owned)
        .collect();
    let declared = declared_functions().into_iter().map(|(name, _)| name).collect();
    same(&in_headers, "the headers", &declared, "the crate");
}

#[test]
fn constants_have_the_values_of_the_headers() {
    let mut source = HEADERS.to_owned();
    for (name, value, size) in CONSTANTS {
        writeln!(source, "_Static_assert({name} == {value}, \"value of {name}\");").unwrap();
        writeln!(source, "_Static_assert(sizeof({name}) == {size}, \"size of {name}\");").unwrap();
    }
    check("constants.c", &source);
}

#[test]
fn constants_are_those_of_the_headers() {
    let macros = preprocess("constant-names.c", &["-dM"]);
    let in_headers: BTreeSet<String> = macros
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|name| name.contains("PMEM") && !INCLUDE_GUARDS.contains(name))
        .map(str::to_owned)
        .collect();
    let declared = declared_constants();
    same(&in_headers, "the headers", &declared, "the crate");
    let compared = CONSTANTS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    same(&declared, "the crate", &compared, "this test");
}

fn same(left: &BTreeSet<String>, left_name: &str, right: &BTreeSet<String>, right_name: &str) {
    let only_left: Vec<_> = left.difference(right).collect();
    let only_right: Vec<_> = right.difference(left).collect();
    assert!(
        only_left.is_empty() && only_right.is_empty(),
        "only in {left_name}: {only_left:?}, only in {right_name}: {only_right:?}"
    );
    assert!(!left.is_empty());
}

fn preprocess(file: &str, options: &[&str]) -> String {
    common::output(Command::new("gcc").arg("-E").args(options).arg(write(file, HEADERS)))
}

fn check(file: &str, source: &str) {
    common::output(Command::new("gcc").args(["-fsyntax-only", "-Wall", "-Werror"]).arg(write(file, source)));
}

fn write(file: &str, source: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    fs::write(&path, source).unwrap();
    path
}

/// The items of all of the crate's files.
/// What stands in the source, but for `environment.rs` and `syncs.rs`, whose functions are not the NVM Library's.
fn items() -> Vec<Item> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter(|path| !["environment.rs", "syncs.rs"].iter().any(|own| path.ends_with(own)))
        .flat_map(|path| syn::parse_file(&fs::read_to_string(path).unwrap()).unwrap().items)
        .collect()
}

fn declared_constants() -> BTreeSet<String> {
    let constant = |item| match item {
        Item::Const(item) if matches!(item.vis, Visibility::Public(_)) => Some(item.ident.to_string()),
        _ => None,
    };
    items().into_iter().filter_map(constant).filter(|name| name != "PMDK_VERSION").collect()
}

/// Name and C prototype of every foreign function.
fn declared_functions() -> Vec<(String, String)> {
    let mut functions = Vec::new();
    for item in items() {
        let Item::ForeignMod(block) = item else { continue };
        assert_c(&block.abi);
        for item in block.items {
            let ForeignItem::Fn(function) = item else { panic!("a foreign item that is no function") };
            let name = function.sig.ident.to_string();
            assert!(matches!(function.vis, Visibility::Public(_)), "{name} is private");
            assert!(function.sig.variadic.is_none(), "{name} is variadic");
            let parameters = function.sig.inputs.iter().map(|input| match input {
                FnArg::Typed(parameter) => &*parameter.ty,
                FnArg::Receiver(_) => unreachable!("foreign functions have no self"),
            });
            let prototype = prototype(&name, parameters, &function.sig.output);
            functions.push((name, prototype));
        }
    }
    functions
}

/// The C declaration of a function that `name` declares.
fn prototype<'a>(name: &str, parameters: impl Iterator<Item = &'a Type>, output: &ReturnType) -> String {
    let parameters: Vec<String> = parameters.map(|ty| declare("", ty)).collect();
    let parameters = if parameters.is_empty() { "void".to_owned() } else { parameters.join(", ") };
    let function = format!("{name}({parameters})");
    match output {
        ReturnType::Default => format!("void {function}"),
        ReturnType::Type(_, ty) => declare(&function, ty),
    }
}

/// The C declaration of something of a Rust type; `declarator` is what stands for it, inside out.
fn declare(declarator: &str, ty: &Type) -> String {
    match ty {
        Type::Ptr(pointer) => {
            let qualifier = match pointer.mutability {
                PointerMutability::Const(_) => "const ",
                PointerMutability::Mut(_) => "",
            };
            declare(&format!("{qualifier}*{declarator}"), &pointer.elem)
        }
        Type::Path(path) => {
            let name = path.path.segments.last().unwrap();
            if name.ident == "Option" {
                return declare_callback(declarator, &name.arguments);
            }
            let c = match name.ident.to_string().as_str() {
                "c_char" => "char",
                "c_int" => "int",
                "c_longlong" => "long long",
                "c_uint" => "unsigned",
                "c_void" => "void",
                "iovec" => "struct iovec",
                "mode_t" => "mode_t",
                "size_t" => "size_t",
                "PMEMlogpool" => "PMEMlogpool",
                "PMEMblkpool" => "PMEMblkpool",
                unknown => panic!("no C type is known for {unknown}"),
            };
            format!("{c} {declarator}")
        }
        _ => panic!("an unexpected kind of type"),
    }
}

/// The C declaration of an `Option<unsafe extern "C" fn(...)>`, a function pointer that may be null.
fn declare_callback(declarator: &str, arguments: &PathArguments) -> String {
    let PathArguments::AngleBracketed(arguments) = arguments else { panic!("Option without a type") };
    let Some(GenericArgument::Type(Type::FnPtr(function))) = arguments.args.first() else {
        panic!("Option of something else than a function")
    };
    assert_c(function.abi.as_ref().expect("a callback with Rust's calling convention"));
    prototype(&format!("(*{declarator})"), function.inputs.iter().map(|input| &input.ty), &function.output)
}

fn assert_c(abi: &Abi) {
    assert!(abi.name.as_ref().is_none_or(|name| name.value() == "C"));
}
