//! Asks the linker for a small file: what is the same is kept once, relocations are packed, and what runs stands together.
//!
//! All of it shrinks what the gateway holds in memory as well: the loader touches every relocation, and the kernel maps
//! pages of a program by the dozen around each that runs. Nothing of it changes what the program does: Rust gives
//! functions no address of their own to rely on.

/// The functions that a resting gateway runs; see the script beside it.
const LAYOUT: &str = "deploy/layout/functions.txt";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|actual| actual == value);
    if !is("PROFILE", "release") || !is("CARGO_CFG_TARGET_OS", "linux") {
        return;
    }
    // Read by glibc since 2.36 and musl since 1.2.4; a linker that doesn't know it warns and goes on.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    // Rust's own linker, the default on this target, can fold and order; others may not.
    if is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
        println!("cargo::rerun-if-changed={LAYOUT}");
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,--symbol-ordering-file={root}/{LAYOUT}");
        println!("cargo::rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
    }
}
