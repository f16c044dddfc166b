//! What the tests of the formats share, and the tests against the NVM Library itself.

mod btt;
pub(super) mod model;
#[cfg(feature = "pmdk")]
mod nvml;

use super::{Damage, Identity, Invalid, Uuid};

/// Names that tests recognise.
pub(super) fn identity() -> Identity {
    Identity { poolset: Uuid([0x11; 16]), part: Uuid([0x22; 16]) }
}

/// The damage that `result` reports.
pub(super) fn damage<T>(result: Result<T, Invalid>) -> Damage {
    match result {
        Err(Invalid::Damage(damage)) => damage,
        Err(Invalid::Io(error)) => panic!("{error}"),
        Ok(_) => panic!("no damage was found"),
    }
}

#[test]
fn damage_becomes_an_error_that_names_file_field_and_offset() {
    let invalid = Invalid::from(Damage::new("log end", 4104, "it is 5, not 6"));
    let error = invalid.into_error("pmemlog_open", Some(std::path::Path::new("/some/pool")));
    assert_eq!(error.code(), "ERR_PMEM_CORRUPT");
    let text = "the pool '/some/pool' was refused: log end at byte 4104: it is 5, not 6; the file was left untouched";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_failed_read_stays_what_it_is() {
    let folder = std::fs::File::open("/").unwrap();
    let Err(invalid @ Invalid::Io(_)) = super::log::read(&folder) else { panic!("a folder is no pool") };
    assert_eq!(invalid.into_error("pmemlog_open", None).code(), "EISDIR");
}

#[test]
fn random_names_differ_and_are_of_version_4() {
    let Identity { poolset, part } = Identity::random().unwrap();
    assert_ne!(poolset, part);
    assert_eq!((poolset.0[7] >> 4, poolset.0[8] >> 6), (4, 2));
}
