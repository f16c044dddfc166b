//! Which start of the machine this is.

use std::sync::OnceLock;

/// The number of this boot, other after each; none where the system tells none.
pub(crate) fn boot_id() -> Option<[u8; 16]> {
    static ID: OnceLock<Option<[u8; 16]>> = OnceLock::new();
    *ID.get_or_init(read)
}

#[cfg(target_os = "linux")]
fn read() -> Option<[u8; 16]> {
    parse(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?)
}

#[cfg(not(target_os = "linux"))]
fn read() -> Option<[u8; 16]> {
    None
}

/// The bytes of 32 hexadecimal digits, with hyphens anywhere.
#[cfg(any(target_os = "linux", test))]
fn parse(text: &str) -> Option<[u8; 16]> {
    let digits = text.trim().replace('-', "");
    let is_sound = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let number = u128::from_str_radix(&digits, 16).ok().filter(|number| is_sound && *number != 0)?;
    Some(number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_has_a_number() {
        let bytes = [1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(parse("01234567-89ab-cdef-0001-020304050607\n"), Some(bytes));
        for text in ["", "01234567-89ab-cdef-0001-02030405060", "+1234567-89ab-cdef-0001-020304050607", "x"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(boot_id().is_some(), cfg!(target_os = "linux"));
    }
}
