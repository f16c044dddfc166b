//! Inputs and orders of calls by chance. `docs/reliability.md` says how long runs are started and what they came to.
#![cfg(unix)]

mod files;
mod formats;
mod image;
mod models;
mod mutation;
mod run;

use files::{KINDS, fuzz};

#[test]
fn log_files() {
    fuzz(KINDS[0], 150);
}

#[test]
fn block_files() {
    fuzz(KINDS[1], 150);
}

#[test]
fn region_files() {
    fuzz(KINDS[2], 150);
}

#[test]
fn store_files() {
    fuzz(KINDS[3], 40);
}

#[test]
fn journal_files() {
    fuzz(KINDS[4], 150);
}

#[test]
fn log_calls() {
    models::log_calls();
}

#[test]
fn block_calls() {
    models::block_calls();
}

#[test]
fn journal_calls() {
    models::journal_calls();
}

#[test]
#[ignore = "makes the corpus anew, with other names and times in its files"]
fn make_corpus() {
    files::make_corpus();
}
