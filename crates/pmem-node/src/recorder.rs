//! What power cuts can leave, for the tests in JavaScript. Only a build with the cargo feature `recorder` has it.

use std::path::Path;

use napi_derive::napi;
use pmem::recorder::{Cuts, Place, Recording};

/// A recording, and what power cuts left once it has stopped.
#[napi]
pub struct PowerCuts {
    recording: Option<Recording>,
    cuts: Option<Cuts>,
}

/// When a cut was.
#[napi(object)]
pub struct PowerCut {
    /// After so many steps and marks.
    pub point: u32,
    /// After so many marks.
    pub marks: u32,
    /// How many names, sizes and sectors were not durable.
    pub pending: u32,
}

#[napi]
impl PowerCuts {
    /// Records what is done to the files in a folder.
    #[napi(constructor)]
    pub fn new(folder: String, seed: u32, most: u32) -> napi::Result<Self> {
        let recording = Recording::start(Path::new(&folder), seed.into(), most as usize)?;
        Ok(Self { recording: Some(recording), cuts: None })
    }

    /// Makes a mark; how many there are.
    #[napi]
    pub fn mark(&self) -> napi::Result<u32> {
        let recording = self.recording.as_ref().ok_or_else(|| napi::Error::from_reason("the recording has stopped"))?;
        Ok(recording.mark() as u32)
    }

    /// Ends the recording; how many points there were to cut at.
    #[napi]
    pub fn stop(&mut self) -> u32 {
        if let Some(recording) = self.recording.take() {
            self.cuts = Some(recording.stop());
        }
        self.cuts.as_ref().map_or(0, |cuts| cuts.points as u32)
    }

    /// When the cuts were that were kept.
    #[napi]
    pub fn places(&self) -> Vec<PowerCut> {
        let cut = |Place { point, marks, pending }| PowerCut {
            point: point as u32,
            marks: marks as u32,
            pending: pending as u32,
        };
        self.cuts.iter().flat_map(Cuts::places).map(cut).collect()
    }

    /// Writes what a cut left to a new folder.
    #[napi]
    pub fn write(&self, index: u32, target: String) -> napi::Result<()> {
        let cuts = self.cuts.as_ref().ok_or_else(|| napi::Error::from_reason("the recording goes on"))?;
        Ok(cuts.write(index as usize, Path::new(&target))?)
    }
}
