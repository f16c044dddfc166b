//! Records one behind the other, each after its length (`ts/shared/gather.ts`).

/// The records of a piece: a little-endian 32-bit length, then so many bytes. What is cut short is none.
pub(super) fn records(mut packed: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = packed.split_first_chunk()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        packed = rest;
        Some(record)
    })
}
