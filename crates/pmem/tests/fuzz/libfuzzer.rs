//! The targets of files for libFuzzer, of which `PMEM_FUZZ_TARGET` is one. Inputs are images as the corpus has them: what
//! leads to code that none before led to is changed on. `npm run fuzz -- --libfuzzer` builds and runs it.
#![no_main]
#![allow(dead_code, reason = "the tests use all of these modules")]

mod files;
mod formats;
mod image;
mod mutation;
mod run;

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};

use files::{KINDS, Kind, change, try_kept};
use image::Image;
use mutation::Random;

static KIND: LazyLock<&Kind> = LazyLock::new(|| {
    let name = std::env::var("PMEM_FUZZ_TARGET").unwrap();
    KINDS.into_iter().find(|kind| kind.name == name).unwrap()
});

/// libFuzzer begins with an input of no bytes, which is no image.
fn parse(bytes: &[u8]) -> Option<Image> {
    (!bytes.is_empty()).then(|| Image::parse(str::from_utf8(bytes).unwrap()))
}

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some(image) = parse(bytes) else { return Corpus::Reject };
    try_kept(&KIND, &image);
    Corpus::Keep
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let Some(mut image) = parse(&data[..size]) else { return size };
    change(&KIND, &mut image, &mut Random::new(seed.into()));
    let text = image.text();
    if text.len() > max_size {
        return size;
    }
    data[..text.len()].copy_from_slice(text.as_bytes());
    text.len()
});
