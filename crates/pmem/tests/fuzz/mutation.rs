//! How files are changed, by chance.

use crate::image::{Bytes, Image};

/// Numbers by chance that a seed makes: xorshift*.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0 to below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }

    pub fn bytes(&mut self, most: u64) -> Vec<u8> {
        let (len, byte) = (self.below(most + 1), self.next() as u8);
        (0..len).map(|at| byte.wrapping_add(at as u8)).collect()
    }
}

/// A number of a file, where it lies and how many bytes it has.
pub type Field = (u64, usize);

/// What a kind of file is, as far as changes of it go.
pub struct Format {
    /// The numbers that say how the file is to be read.
    pub fields: fn(&Bytes) -> Vec<Field>,
    /// Puts the checksums right.
    pub seal: fn(&mut Bytes),
}

/// Files get no longer than this.
const LONGEST: u64 = 1 << 42;

/// A number that means trouble.
fn number(random: &mut Random, now: u64, len: u64) -> u64 {
    let borders = [0, 1, 7, 255, 4095, 4096, 8192, 65_535, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40];
    let large = [(1 << 53) - 1, 1 << 53, 1 << 62, (1 << 63) - 1, 1 << 63, u64::MAX - 4095, u64::MAX];
    match random.below(5) {
        0 => *random.pick(&borders),
        1 => *random.pick(&large),
        2 => now.wrapping_add(random.below(17)).wrapping_sub(8),
        3 => len.wrapping_add(random.below(17)).wrapping_sub(8),
        _ => now ^ 1 << random.below(64),
    }
}

/// Changes a file a few times, with right checksums or without.
pub fn mutate(bytes: &mut Bytes, format: &Format, random: &mut Random) {
    for _ in 0..=random.below(4) {
        change(bytes, format, random);
    }
    if !random.one_in(4) {
        (format.seal)(bytes);
    }
}

fn change(bytes: &mut Bytes, format: &Format, random: &mut Random) {
    let pages = bytes.pages();
    let page = if pages.is_empty() { 0 } else { *random.pick(&pages) };
    // What says something stands at the start of a page, mostly.
    let limit = *random.pick(&[64, 200, 4096]);
    let place = page + random.below(limit);
    match random.below(12) {
        0..=4 => change_field(bytes, format, random),
        5 => {
            let byte = bytes.get(place, 1)[0] ^ 1 << random.below(8);
            bytes.put(place, &[byte]);
        }
        6 => {
            let (place, now) = (place & !7, bytes.u64(place & !7));
            bytes.put(place, &number(random, now, bytes.len).to_le_bytes());
        }
        7 => {
            let noise: Vec<u8> = (0..random.below(64)).map(|_| random.next() as u8).collect();
            bytes.put(place, &noise);
        }
        8 => bytes.put(place, &vec![0; random.below(5000) as usize]),
        9 if !pages.is_empty() => {
            let other = bytes.get(*random.pick(&pages), 4096);
            bytes.put(page, &other);
        }
        10 => {
            let now = bytes.len;
            let lens =
                [0, 1, 4095, 4096, now / 2, now.saturating_sub(1), now + 1, now + 4096, now * 2, 1 << 32, LONGEST];
            bytes.resize(LONGEST.min(*random.pick(&lens)));
        }
        _ => change_field(bytes, format, random),
    }
}

fn change_field(bytes: &mut Bytes, format: &Format, random: &mut Random) {
    let fields = (format.fields)(bytes);
    if fields.is_empty() {
        return;
    }
    let (place, len) = *random.pick(&fields);
    let mut now = [0; 8];
    now[..len].copy_from_slice(&bytes.get(place, len));
    let changed = number(random, u64::from_le_bytes(now), bytes.len);
    bytes.put(place, &changed.to_le_bytes()[..len]);
}

/// Changes some files of an image.
pub fn mutate_some(image: &mut Image, format: impl Fn(&str) -> Option<Format>, random: &mut Random) {
    let names = image.files();
    for _ in 0..=random.below(2) {
        if names.is_empty() {
            return;
        }
        let name = random.pick(&names);
        if let Some(format) = format(name) {
            mutate(image.file(name), &format, random);
        }
    }
}
