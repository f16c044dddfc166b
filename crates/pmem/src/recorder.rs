//! What power cuts can leave of the files in a folder, after each thing that this process did to them. For tests of what
//! stands on this crate, with the cargo feature `recorder` alone.
//!
//! Nothing of the operating system's is cut: the seam under all that reaches a file knows what of it was made durable, and
//! any part of the rest may be missing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::os::seam::recorder::{Cut, Recorder};

/// What the process does to the files in a folder, as long as it is recorded.
pub struct Recording {
    folder: PathBuf,
    recorder: Arc<Recorder>,
}

/// What power cuts can leave.
pub struct Cuts {
    folder: PathBuf,
    /// How many steps and marks could have been the last ones before a cut.
    pub points: usize,
    cuts: Vec<Cut>,
}

/// When a cut was.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// After so many steps and marks.
    pub point: usize,
    /// After so many marks.
    pub marks: usize,
    /// How many names, sizes and sectors were not durable.
    pub pending: usize,
}

impl Recording {
    /// Records what all threads do from now on, in place of what was recorded before. The files that are in `folder` count as
    /// durable. Of the cuts, `most` are kept.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn start(folder: &Path, seed: u64, most: usize) -> io::Result<Self> {
        let recorder = Recorder::new();
        recorder.seed(seed);
        recorder.sample_crashes(most, seed);
        adopt(&recorder, folder)?;
        Recorder::attach_everywhere(Some(Arc::clone(&recorder)));
        Ok(Self { folder: folder.to_path_buf(), recorder })
    }

    /// Makes a mark: what is durable is durable before it. How many there are.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.recorder.mark()
    }

    /// Ends the recording.
    #[must_use]
    pub fn stop(self) -> Cuts {
        Recorder::attach_everywhere(None);
        let (points, cuts) = self.recorder.take_sample();
        Cuts { folder: self.folder, points, cuts }
    }
}

impl Cuts {
    /// When those were that were kept, in their order.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        self.cuts.iter().map(|&Cut { point, marks, pending, .. }| Place { point, marks, pending }).collect()
    }

    /// Writes what a cut left to `target`, a new folder.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(&self, index: usize, target: &Path) -> io::Result<()> {
        let cut = self.cuts.get(index).ok_or(io::ErrorKind::InvalidInput)?;
        std::fs::create_dir(target)?;
        for (path, image) in &cut.crash {
            let Ok(path) = path.strip_prefix(&self.folder) else { continue };
            let path = target.join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(target))?;
            image.write_to(&File::create_new(path)?)?;
        }
        Ok(())
    }
}

fn adopt(recorder: &Recorder, folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            adopt(recorder, &path)?;
        } else {
            recorder.adopt_as_it_is(&path, &File::open(&path)?);
        }
    }
    Ok(())
}
