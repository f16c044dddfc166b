//! The header in the first 4096 bytes of every pool.

use super::bytes::{array, checksum, is_zero, put, u16_at, u32_at, u64_at};
use super::source::{self, Source};
use super::{Damage, Identity, Invalid, PAGE, Uuid};
use crate::os::deliberate;

/// The number of bytes that a header takes up.
pub(crate) const SIZE: usize = PAGE as usize;

/// How the text file begins that describes a pool of several files.
const POOLSET: &[u8] = b"PMEMPOOLSET";

const MAJOR: u32 = 1;

/// The incompatible features: bit 0 says that only the first part has a header, which a single file never sets.
const SINGLE_HEADER: u32 = 1;
const CHECKSUM_2K: u32 = 2;
const SHUTDOWN_STATE: u32 = 4;

const ALIGNMENT: u64 = 0x7f7_3777_7310;
const CLASS_64_BIT: u8 = 2;
const DATA_LITTLE_ENDIAN: u8 = 1;

/// Where the fields lie.
mod at {
    pub(super) const MAJOR: usize = 8;
    pub(super) const INCOMPAT: usize = 16;
    pub(super) const RO_COMPAT: usize = 20;
    pub(super) const POOLSET_UUID: usize = 24;
    pub(super) const PART_UUID: usize = 40;
    pub(super) const CREATED: usize = 120;
    pub(super) const ALIGNMENT: usize = 128;
    pub(super) const CLASS: usize = 136;
    pub(super) const DATA: usize = 137;
    pub(super) const ARCHITECTURE_RESERVED: usize = 138;
    pub(super) const MACHINE: usize = 142;
    pub(super) const SHUTDOWN: usize = 4024;
    pub(super) const CHECKSUM: usize = 4088;
}

/// The part's neighbours: in a single file they are the part itself.
const NEIGHBOURS: [(&str, usize); 4] =
    [("previous part uuid", 56), ("next part uuid", 72), ("previous replica uuid", 88), ("next replica uuid", 104)];

/// What a pool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An append-only log.
    Log,
    /// An array of blocks.
    Blk,
}

impl Kind {
    /// The size in bytes below which no file is a pool of this kind.
    pub(crate) const fn min_size(self) -> u64 {
        match self {
            Kind::Log => 2 << 20,
            Kind::Blk => (16 << 20) + 2 * PAGE,
        }
    }

    const fn signature(self) -> [u8; 8] {
        match self {
            Kind::Log => *b"PMEMLOG\0",
            Kind::Blk => *b"PMEMBLK\0",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Kind::Log => "a log pool",
            Kind::Blk => "a block pool",
        }
    }
}

/// The kind of processor that made a pool. Both kinds lay pools out alike; the C libraries open only their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    /// x86-64.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
}

impl Machine {
    /// The processor that this code was built for; x86-64 stands in for others of the same byte order and alignment.
    pub(crate) const HOST: Self = if cfg!(target_arch = "aarch64") { Machine::Aarch64 } else { Machine::X86_64 };

    const fn number(self) -> u16 {
        match self {
            Machine::X86_64 => 62,
            Machine::Aarch64 => 183,
        }
    }

    fn from_number(number: u16) -> Option<Self> {
        [Machine::X86_64, Machine::Aarch64].into_iter().find(|machine| machine.number() == number)
    }
}

/// What the last user of a pool on real persistent memory knew about the safety of its power supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shutdown {
    /// How often the memory modules had lost data at a power cut.
    pub unsafe_count: u64,
    /// The modules' identity; 0 for what is no such module.
    pub modules: u64,
    /// The pool was not closed.
    pub dirty: bool,
}

impl Shutdown {
    const SIZE: usize = 64;
    const CHECKSUM: usize = 56;

    /// Whether only the modules that the pool lay on can tell that its contents reached them. The C library refuses the
    /// pool if they say otherwise, or are not there.
    pub(crate) fn depends_on_modules(&self) -> bool {
        self.dirty && (self.unsafe_count != 0 || self.modules != 0)
    }

    /// The state in `bytes`. With a wrong checksum there is none: the C library starts a new one then.
    fn parse(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        if checksum(bytes, Self::CHECKSUM, Self::SIZE) != u64_at(bytes, Self::CHECKSUM) {
            return None;
        }
        Some(Self { unsafe_count: u64_at(bytes, 0), modules: u64_at(bytes, 8), dirty: bytes[16] != 0 })
    }
}

/// A header that was found valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What the pool holds.
    pub kind: Kind,
    /// The pool's names.
    pub identity: Identity,
    /// When the pool was made, in seconds since 1970.
    pub created: u64,
    /// The processor that it was made on.
    pub machine: Machine,
    /// The shutdown state, where the pool has a valid one.
    pub shutdown: Option<Shutdown>,
}

/// Reads and validates the header of a pool of `kind`.
///
/// # Errors
/// [`Invalid`] for anything else than a single-file pool of that kind that this library knows all features of.
pub(crate) fn read<S: Source + ?Sized>(source: &S, kind: Kind) -> Result<Header, Invalid> {
    let len = source.len().map_err(Invalid::Io)?;
    let mut bytes = [0; SIZE];
    let present = usize::try_from(len).unwrap_or(SIZE).min(SIZE);
    source::read_into(source, "pool header", 0, &mut bytes[..present])?;
    check_kind(&bytes, len, kind)?;
    Ok(parse(&bytes, kind)?)
}

/// Makes the header of a new pool as a build of the C library without libndctl does: without a shutdown state.
pub(crate) fn make(kind: Kind, identity: &Identity, created: u64, machine: Machine) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    put(&mut bytes, 0, kind.signature());
    put(&mut bytes, at::MAJOR, MAJOR.to_le_bytes());
    put(&mut bytes, at::INCOMPAT, CHECKSUM_2K.to_le_bytes());
    put(&mut bytes, at::POOLSET_UUID, identity.poolset.0);
    put(&mut bytes, at::PART_UUID, identity.part.0);
    for (_, offset) in NEIGHBOURS {
        put(&mut bytes, offset, identity.part.0);
    }
    put(&mut bytes, at::CREATED, created.to_le_bytes());
    put(&mut bytes, at::ALIGNMENT, ALIGNMENT.to_le_bytes());
    put(&mut bytes, at::CLASS, [CLASS_64_BIT]);
    put(&mut bytes, at::DATA, [DATA_LITTLE_ENDIAN]);
    put(&mut bytes, at::MACHINE, machine.number().to_le_bytes());
    let sum = checksum(&bytes, at::CHECKSUM, checksum_end(&bytes));
    put(&mut bytes, at::CHECKSUM, sum.to_le_bytes());
    bytes
}

/// Tells files that are no pool of `kind` at all. Bytes past the end of the file are zeros in `bytes`.
fn check_kind(bytes: &[u8; SIZE], len: u64, kind: Kind) -> Result<(), Damage> {
    if bytes.starts_with(POOLSET) {
        return Err(Damage::new("signature", 0, "this is a poolset file; pools of several files are not supported"));
    }
    let signature = array(bytes, 0);
    let other = [Kind::Log, Kind::Blk].into_iter().find(|kind| kind.signature() == signature);
    match other {
        Some(found) if found != kind => {
            let detail = format!("this is {}, not {}", found.name(), kind.name());
            return Err(Damage::new("signature", 0, detail));
        }
        None if len >= kind.min_size() => {
            return Err(Damage::new("signature", 0, format!("this is not {}", kind.name())));
        }
        _ => {}
    }
    if len < kind.min_size() {
        let detail = format!("the file has {len} bytes, {} has at least {}", kind.name(), kind.min_size());
        return Err(Damage::new("file size", len, detail));
    }
    Ok(())
}

fn parse(bytes: &[u8; SIZE], kind: Kind) -> Result<Header, Damage> {
    let is_trusted = deliberate::is_on("header: not checked");
    if !is_trusted && checksum(bytes, at::CHECKSUM, checksum_end(bytes)) != u64_at(bytes, at::CHECKSUM) {
        return Err(wrong("pool header checksum", at::CHECKSUM, "it does not match the pool header"));
    }
    check_features(bytes)?;
    let machine = parse_architecture(bytes)?;
    let part = array(bytes, at::PART_UUID);
    for (field, offset) in NEIGHBOURS {
        if array(bytes, offset) != part {
            return Err(wrong(
                field,
                offset,
                "the file is part of a larger pool; pools of several files are not supported",
            ));
        }
    }
    Ok(Header {
        kind,
        identity: Identity { poolset: Uuid(array(bytes, at::POOLSET_UUID)), part: Uuid(part) },
        created: u64_at(bytes, at::CREATED),
        machine,
        shutdown: parse_shutdown(bytes),
    })
}

fn check_features(bytes: &[u8; SIZE]) -> Result<(), Damage> {
    let major = u32_at(bytes, at::MAJOR);
    if major != MAJOR {
        return Err(wrong("major version", at::MAJOR, format!("the format {major} is not supported, only {MAJOR} is")));
    }
    let incompat = u32_at(bytes, at::INCOMPAT);
    if incompat & SINGLE_HEADER != 0 {
        return Err(wrong("incompat features", at::INCOMPAT, "pools of several files are not supported"));
    }
    let unknown = incompat & !(CHECKSUM_2K | SHUTDOWN_STATE);
    if unknown != 0 {
        return Err(wrong("incompat features", at::INCOMPAT, format!("the features {unknown:#x} are not supported")));
    }
    let unknown = u32_at(bytes, at::RO_COMPAT);
    if unknown != 0 {
        return Err(wrong("ro_compat features", at::RO_COMPAT, format!("the features {unknown:#x} are not supported")));
    }
    Ok(())
}

fn parse_architecture(bytes: &[u8; SIZE]) -> Result<Machine, Damage> {
    let foreign = |field, offset| wrong(field, offset, "it is neither that of x86-64 nor of 64-bit Arm");
    if u64_at(bytes, at::ALIGNMENT) != ALIGNMENT {
        return Err(foreign("architecture alignment", at::ALIGNMENT));
    }
    if bytes[at::CLASS] != CLASS_64_BIT {
        return Err(foreign("architecture class", at::CLASS));
    }
    if bytes[at::DATA] != DATA_LITTLE_ENDIAN {
        return Err(foreign("architecture byte order", at::DATA));
    }
    if !is_zero(&bytes[at::ARCHITECTURE_RESERVED..at::MACHINE]) {
        return Err(foreign("architecture reserved bytes", at::ARCHITECTURE_RESERVED));
    }
    Machine::from_number(u16_at(bytes, at::MACHINE)).ok_or_else(|| foreign("architecture machine", at::MACHINE))
}

fn parse_shutdown(bytes: &[u8; SIZE]) -> Option<Shutdown> {
    if u32_at(bytes, at::INCOMPAT) & SHUTDOWN_STATE == 0 {
        return None;
    }
    Shutdown::parse(&array(bytes, at::SHUTDOWN))
}

/// Where the bytes end that the header's checksum covers.
fn checksum_end(bytes: &[u8; SIZE]) -> usize {
    if u32_at(bytes, at::INCOMPAT) & CHECKSUM_2K != 0 { SIZE / 2 } else { SIZE }
}

fn wrong(field: &'static str, offset: usize, detail: impl Into<String>) -> Damage {
    Damage::new(field, offset as u64, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nvml::format::tests::{damage, identity};

    const CREATED: u64 = 1_600_000_000;

    fn pool(kind: Kind) -> Vec<u8> {
        pool_of(kind, Machine::X86_64)
    }

    fn pool_of(kind: Kind, machine: Machine) -> Vec<u8> {
        let mut bytes = vec![0; kind.min_size() as usize];
        put(&mut bytes, 0, make(kind, &identity(), CREATED, machine));
        bytes
    }

    /// Puts `value` at `offset` and corrects the checksum.
    fn with<const N: usize>(mut bytes: Vec<u8>, offset: usize, value: [u8; N]) -> Vec<u8> {
        put(&mut bytes, offset, value);
        let header = array(&bytes, 0);
        let sum = checksum(&header, at::CHECKSUM, checksum_end(&header));
        put(&mut bytes, at::CHECKSUM, sum.to_le_bytes());
        bytes
    }

    fn refused(bytes: &[u8]) -> &'static str {
        damage(read(bytes, Kind::Log)).field
    }

    #[test]
    fn what_is_made_is_read() {
        for kind in [Kind::Log, Kind::Blk] {
            for machine in [Machine::X86_64, Machine::Aarch64] {
                let expected = Header { kind, identity: identity(), created: CREATED, machine, shutdown: None };
                assert_eq!(read(&pool_of(kind, machine)[..], kind).unwrap(), expected);
            }
        }
    }

    #[test]
    fn files_that_are_no_pool_say_what_they_are() {
        let refused = |bytes: &[u8], kind| {
            let damage = damage(read(bytes, kind));
            (damage.field, damage.detail)
        };
        assert_eq!(
            refused(b"", Kind::Log),
            ("file size", "the file has 0 bytes, a log pool has at least 2097152".into())
        );
        assert_eq!(refused(&pool(Kind::Log)[..(2 << 20) - 1], Kind::Log).0, "file size");
        assert_eq!(refused(&pool(Kind::Blk)[..100], Kind::Blk).0, "file size");
        assert_eq!(refused(&vec![0; 2 << 20], Kind::Log), ("signature", "this is not a log pool".into()));
        assert_eq!(refused(&pool(Kind::Blk), Kind::Log), ("signature", "this is a block pool, not a log pool".into()));
        assert_eq!(refused(&pool(Kind::Log), Kind::Blk), ("signature", "this is a log pool, not a block pool".into()));
        assert!(refused(b"PMEMPOOLSET\n20M /tmp/part\n", Kind::Blk).1.contains("poolset"));
    }

    #[test]
    fn versions_and_features_that_are_not_known_are_refused() {
        assert_eq!(refused(&with(pool(Kind::Log), at::MAJOR, [2])), "major version");
        assert_eq!(refused(&with(pool(Kind::Log), at::MAJOR, [0])), "major version");
        // Miri takes seconds for each.
        for bit in (0..32).step_by(if cfg!(miri) { 8 } else { 1 }) {
            let incompat = CHECKSUM_2K | 1_u32 << bit;
            let result = read(&with(pool(Kind::Log), at::INCOMPAT, incompat.to_le_bytes())[..], Kind::Log);
            assert_eq!(result.is_ok(), bit == 1 || bit == 2, "incompat {incompat:#x}");
            assert_eq!(
                refused(&with(pool(Kind::Log), at::RO_COMPAT, (1_u32 << bit).to_le_bytes())),
                "ro_compat features"
            );
            let compat = with(pool(Kind::Log), 12, (1_u32 << bit).to_le_bytes());
            read(&compat[..], Kind::Log).unwrap();
        }
        let without_2k = with(pool(Kind::Log), at::INCOMPAT, 0_u32.to_le_bytes());
        read(&without_2k[..], Kind::Log).unwrap();
        let mut beyond = without_2k;
        beyond[3000] = 1;
        assert_eq!(refused(&beyond), "pool header checksum");
    }

    #[test]
    fn parts_of_a_larger_pool_are_refused() {
        for (field, offset) in NEIGHBOURS {
            assert_eq!(refused(&with(pool(Kind::Log), offset, [0xee])), field);
        }
        assert_eq!(refused(&with(pool(Kind::Log), at::PART_UUID, [0xee])), "previous part uuid");
    }

    #[test]
    fn foreign_architectures_are_refused() {
        for offset in at::ALIGNMENT..at::MACHINE + 2 {
            let bytes = with(pool(Kind::Log), offset, [0x55]);
            assert!(refused(&bytes).starts_with("architecture "), "byte {offset}");
        }
    }

    #[test]
    fn a_shutdown_state_counts_only_with_its_feature_and_checksum() {
        let mut state = [0; Shutdown::SIZE];
        put(&mut state, 0, 5_u64.to_le_bytes());
        put(&mut state, 16, [1]);
        let sum = checksum(&state, Shutdown::CHECKSUM, Shutdown::SIZE);
        put(&mut state, Shutdown::CHECKSUM, sum.to_le_bytes());
        let mut bytes = pool(Kind::Log);
        put(&mut bytes, at::SHUTDOWN, state);
        assert_eq!(read(&bytes[..], Kind::Log).unwrap().shutdown, None);
        let mut bytes = with(bytes, at::INCOMPAT, 6_u32.to_le_bytes());
        let found = read(&bytes[..], Kind::Log).unwrap().shutdown.unwrap();
        assert_eq!(found, Shutdown { unsafe_count: 5, modules: 0, dirty: true });
        assert!(found.depends_on_modules());
        bytes[at::SHUTDOWN + 30] ^= 1;
        assert_eq!(read(&bytes[..], Kind::Log).unwrap().shutdown, None);
    }
}
