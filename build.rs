//! Asks the linker for a small file: what is the same is kept once, and relocations are packed.
//!
//! Both shrink what the gateway holds in memory as well, as the loader touches every relocation. Neither changes what
//! the program does: Rust gives functions no address of their own to rely on.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|actual| actual == value);
    if !is("PROFILE", "release") || !is("CARGO_CFG_TARGET_OS", "linux") {
        return;
    }
    // Read by glibc since 2.36 and musl since 1.2.4; a linker that doesn't know it warns and goes on.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    // Rust's own linker, the default on this target, can fold; others may not.
    if is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}
