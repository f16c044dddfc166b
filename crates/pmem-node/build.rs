//! Sets the linker flags of a Node-API addon.

use std::env;

fn main() {
    napi_build::setup();
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // What a library lacks shows when it is linked, not when it is loaded.
        Ok("linux") => println!("cargo::rustc-cdylib-link-arg=-Wl,-z,defs"),
        // Its name would be the path where it was built.
        Ok("macos") => println!("cargo::rustc-cdylib-link-arg=-Wl,-install_name,pmem.node"),
        _ => {}
    }
}
