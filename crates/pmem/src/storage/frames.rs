//! Frames: records as they lie in a file, each of which is known by itself. `docs/journal-format.md` has their layout.

use super::bytes::{u16_at, u32_at, u64_at};
use crate::os::deliberate;

/// The length of what stands before the payload, in bytes.
pub(crate) const HEADER: usize = 32;

/// Frames start at multiples of so many bytes.
pub(crate) const ALIGNMENT: u64 = 8;

/// The largest payload, in bytes.
pub(crate) const MOST_PAYLOAD: usize = 1 << 30;

/// The kind of a frame that is a record.
pub(crate) const RECORD: u16 = 1;

/// All before the frame was durable when it was written.
pub(crate) const ANCHORED: u16 = 1;

/// The next frame belongs to the same batch.
pub(crate) const MORE: u16 = 2;

const KNOWN_FLAGS: u16 = ANCHORED | MORE;

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Header and payload, in bytes.
    pub(crate) len: usize,
    pub(crate) sequence: u64,
    /// In microseconds since 1970.
    pub(crate) time: u64,
    pub(crate) flags: u16,
}

/// Why bytes are no sound frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The first eight bytes are zero: nothing was written there, or nothing has arrived.
    Empty,
    /// The header is not what was written.
    Header,
    /// The header is sound; the frame has so many bytes, which are not all there.
    Short(usize),
    /// The header is sound, and what follows is not what was written.
    Payload,
    /// The frame is sound, and of a kind or with flags that this version does not know.
    Unknown,
    /// The frame is sound, and of another place in the row.
    Sequence,
}

impl Broken {
    /// What is wrong, in words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Broken::Empty => "there is no record",
            Broken::Header => "its header is not what was written",
            Broken::Short(_) => "it goes past the end of the segment",
            Broken::Payload => "its bytes are not what was written",
            Broken::Unknown => "it is of a kind that this version does not know",
            Broken::Sequence => "it has another sequence",
        }
    }
}

impl Frame {
    /// How many bytes it takes in the file.
    pub(crate) fn size(&self) -> u64 {
        size(self.len - HEADER)
    }

    /// Whether all before it was durable when it was written.
    pub(crate) fn is_anchored(&self) -> bool {
        self.flags & ANCHORED != 0
    }

    /// Whether the next frame belongs to the same batch.
    pub(crate) fn has_more(&self) -> bool {
        self.flags & MORE != 0
    }
}

/// How many bytes a frame of a payload takes.
pub(crate) fn size(payload: usize) -> u64 {
    (HEADER + payload).next_multiple_of(ALIGNMENT as usize) as u64
}

/// Adds a frame for `offset` in the file of this salt.
pub(crate) fn encode(target: &mut Vec<u8>, salt: u64, offset: u64, frame: &Frame, payload: &[u8]) {
    debug_assert!(frame.len == HEADER + payload.len() && offset.is_multiple_of(ALIGNMENT));
    let start = target.len();
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&(frame.len as u32).to_le_bytes());
    header[8..16].copy_from_slice(&frame.sequence.to_le_bytes());
    header[16..24].copy_from_slice(&frame.time.to_le_bytes());
    header[24..26].copy_from_slice(&RECORD.to_le_bytes());
    header[26..28].copy_from_slice(&frame.flags.to_le_bytes());
    let check = header_checksum(&header, salt, offset);
    header[28..].copy_from_slice(&check.to_le_bytes());
    target.extend_from_slice(&header);
    target.extend_from_slice(payload);
    target.resize(start + frame.size() as usize, 0);
    let checksum = crc32c::crc32c_append(check, &target[start + 28..]);
    target[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
}

/// The frame that `bytes` begin with, which lie at `offset` in the file of this salt.
pub(crate) fn decode(bytes: &[u8], salt: u64, offset: u64) -> Result<Frame, Broken> {
    let frame = header(bytes, salt, offset)?;
    let Some(whole) = bytes.get(..frame.size() as usize) else { return Err(Broken::Short(frame.size() as usize)) };
    let is_trusted = deliberate::is_on("frame: payload not checked");
    if !is_trusted && u32_at(bytes, 4) != crc32c::crc32c_append(u32_at(bytes, 28), &whole[28..]) {
        return Err(Broken::Payload);
    }
    let is_known = u16_at(bytes, 24) == RECORD && frame.flags & !KNOWN_FLAGS == 0;
    if !is_known && !deliberate::is_on("frame: what is not known accepted") {
        return Err(Broken::Unknown);
    }
    Ok(frame)
}

/// What the header says that `bytes` begin with. It is known by itself, so that its length can be relied on.
pub(crate) fn header(bytes: &[u8], salt: u64, offset: u64) -> Result<Frame, Broken> {
    let Some(header) = bytes.get(..HEADER) else {
        return Err(if bytes.iter().all(|&byte| byte == 0) { Broken::Empty } else { Broken::Header });
    };
    if u64_at(header, 0) == 0 {
        return Err(Broken::Empty);
    }
    let frame = peek(header);
    if !(HEADER..=HEADER + MOST_PAYLOAD).contains(&frame.len)
        || u32_at(header, 28) != header_checksum(header, salt, offset)
            && !deliberate::is_on("frame: header not checked")
    {
        return Err(Broken::Header);
    }
    Ok(frame)
}

/// What a header would say if it was sound.
pub(crate) fn peek(header: &[u8]) -> Frame {
    let len = u32_at(header, 0) as usize;
    Frame { len, sequence: u64_at(header, 8), time: u64_at(header, 16), flags: u16_at(header, 26) }
}

fn header_checksum(header: &[u8], salt: u64, offset: u64) -> u32 {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&salt.to_le_bytes());
    let offset = if deliberate::is_on("frame: known in any place") { 0 } else { offset };
    bytes[8..16].copy_from_slice(&offset.to_le_bytes());
    bytes[16..20].copy_from_slice(&header[..4]);
    bytes[20..].copy_from_slice(&header[8..28]);
    crc32c::crc32c(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: &[u8]) -> (Frame, Vec<u8>) {
        let frame = Frame { len: HEADER + payload.len(), sequence: 7, time: 8, flags: MORE };
        let mut bytes = Vec::new();
        encode(&mut bytes, 99, 4096, &frame, payload);
        (frame, bytes)
    }

    #[test]
    fn a_frame_comes_back() {
        for len in [0, 1, 7, 8, 9, 64, 1000] {
            let payload = vec![5; len];
            let (frame, bytes) = frame(&payload);
            assert_eq!(bytes.len() as u64, size(len));
            assert_eq!(decode(&bytes, 99, 4096), Ok(frame));
            assert_eq!(&bytes[HEADER..HEADER + len], payload);
        }
    }

    #[test]
    fn a_frame_is_known_in_its_place_alone() {
        let (_, bytes) = frame(b"payload");
        assert_eq!(decode(&bytes, 98, 4096), Err(Broken::Header));
        assert_eq!(decode(&bytes, 99, 4104), Err(Broken::Header));
    }

    #[test]
    fn each_changed_bit_shows() {
        let (_, mut bytes) = frame(b"some payload of no word's length");
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&bytes, 99, 4096).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn what_is_no_frame_says_why() {
        let (_, mut bytes) = frame(b"payload");
        assert_eq!(decode(&[0; 64], 99, 4096), Err(Broken::Empty));
        assert_eq!(decode(&[], 99, 4096), Err(Broken::Empty));
        assert_eq!(decode(&bytes[..39], 99, 4096), Err(Broken::Short(40)));
        assert_eq!(decode(&[1; 64], 99, 4096), Err(Broken::Header));
        bytes[35] ^= 1;
        assert_eq!(decode(&bytes, 99, 4096), Err(Broken::Payload));
        let unknown = Frame { len: HEADER, sequence: 0, time: 0, flags: 8 };
        let mut bytes = Vec::new();
        encode(&mut bytes, 1, 0, &unknown, b"");
        assert_eq!(decode(&bytes, 1, 0), Err(Broken::Unknown));
    }

    #[test]
    fn the_format_does_not_change() {
        let (_, bytes) = frame(b"payload");
        assert_eq!(bytes[..4], 39u32.to_le_bytes());
        assert_eq!((u32_at(&bytes, 28), u32_at(&bytes, 4)), (0x3393c830, 0x8459e3e2));
    }
}
