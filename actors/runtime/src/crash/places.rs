//! A stack of a binary without names, as places that the same build with names can explain.

/// Where this program is loaded; none where the system doesn't tell.
pub(super) fn base() -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let program = program.to_str()?;
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let first = maps.lines().find(|line| line.ends_with(program))?;
    u64::from_str_radix(first.split('-').next()?, 16).ok()
}

/// The addresses of a stack in its long form, counted from where the program is loaded.
pub(super) fn places(stack: &str, base: Option<u64>) -> Option<String> {
    let base = base?;
    let places: Vec<String> = stack
        .lines()
        .filter_map(|line| {
            let (_, address) = line.split_once("0x")?;
            let address = address.split_whitespace().next()?;
            let address = u64::from_str_radix(address, 16).ok()?;
            Some(format!("{:#x}", address.checked_sub(base)?))
        })
        .collect();
    (!places.is_empty()).then(|| {
        format!(
            "no names in this build; the same build with them tells: addr2line -Cfie openclaw {}",
            places.join(" ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_counted_from_the_program() {
        let stack = "   0:     0x55d0c0e8a3d2 - <unknown>\n   1:     0x55d0c0e00010 - <unknown>\n";
        let text = places(stack, Some(0x55d0_c0e0_0000)).unwrap();
        assert!(text.ends_with("openclaw 0x8a3d2 0x10"), "{text}");
    }

    #[test]
    fn without_addresses_or_base_there_is_nothing_to_tell() {
        assert_eq!(places("stack backtrace unavailable", Some(1)), None);
        assert_eq!(places("0: 0x10 - <unknown>", None), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_knows_where_it_is_loaded() {
        let here = a_program_knows_where_it_is_loaded as *const () as usize as u64;
        let base = base().unwrap();
        assert!(base < here && here - base < 1 << 32, "{base:#x} {here:#x}");
    }
}
