//! Device DAX: persistent memory that Linux gives as a character device, such as `/dev/dax0.0`, without a file system.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;

use crate::os::file::{Descriptor, descriptor};
use crate::os::flush;
use crate::os::mapping::{Access, Mapping};

/// What the system says of such a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeviceDax {
    /// How many bytes it has.
    pub(crate) size: u64,
    /// A power of two, in bytes: mappings of it start and end at multiples of it, in the device and in memory.
    pub(crate) align: usize,
}

impl DeviceDax {
    /// The device that a file is; none where it is anything else.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(file: Descriptor<'_>) -> Option<Self> {
        use nix::sys::stat::{fstat, major, minor};
        let stat = crate::os::errno::uninterrupted(|| fstat(file)).ok()?;
        let number = format!("{}:{}", major(stat.st_rdev), minor(stat.st_rdev));
        let is_character = stat.st_mode & nix::libc::S_IFMT == nix::libc::S_IFCHR;
        is_character.then(|| Self::described(&std::path::Path::new("/sys/dev/char").join(number))).flatten()
    }

    /// There are no such devices here.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(_: Descriptor<'_>) -> Option<Self> {
        None
    }

    /// Fills `target` from `offset`. A device has no `read`, and is mapped for it.
    pub(crate) fn read_at(self, file: &File, target: &mut [u8], offset: u64) -> io::Result<()> {
        let (mapping, start) = self.map(file, offset, target.len(), Access::Read)?;
        mapping.load(start, target);
        Ok(())
    }

    /// Writes `data` at `offset`; it is durable on return.
    pub(crate) fn write_at(self, file: &File, data: &[u8], offset: u64) -> io::Result<()> {
        let (mapping, start) = self.map(file, offset, data.len(), Access::Shared)?;
        mapping.store(start, data);
        flush::drain();
        Ok(())
    }

    /// Maps what holds the `len` bytes at `offset`, and says where in the mapping they start.
    fn map(self, file: &File, offset: u64, len: usize, access: Access) -> io::Result<(Mapping, u64)> {
        let end = offset.checked_add(len as u64).filter(|end| *end <= self.size).ok_or(io::ErrorKind::UnexpectedEof)?;
        let first = offset - offset % self.align as u64;
        let len = (end - first).next_multiple_of(self.align as u64) as usize;
        let len = NonZeroUsize::new(len).unwrap_or(NonZeroUsize::MIN);
        Ok((Mapping::new(descriptor(file), first, len, access)?, offset - first))
    }

    /// The device of which sysfs tells in a folder.
    #[cfg(target_os = "linux")]
    fn described(folder: &std::path::Path) -> Option<Self> {
        // It was a class before Linux 5.1, and has been a bus since.
        let subsystem = std::fs::read_link(folder.join("subsystem")).ok()?;
        let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim_end().parse::<u64>().ok();
        let is_dax = subsystem.file_name().is_some_and(|name| name == "dax");
        let size = number("size").filter(|_| is_dax)?;
        let align = ["align", "device/align", "device/dax_region/align"].into_iter().find_map(number)?;
        let align = usize::try_from(align).ok().filter(|align| align.is_power_of_two())?;
        Some(Self { size, align })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::{File, create_dir_all, write};
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use super::*;

    /// What sysfs has of a device of a subsystem, in these files.
    fn sysfs(subsystem: &str, files: &[(&str, &str)]) -> Option<DeviceDax> {
        let folder = tempfile::tempdir().unwrap();
        symlink(format!("../../bus/{subsystem}"), folder.path().join("subsystem")).unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            create_dir_all(path.parent().unwrap()).unwrap();
            write(path, text).unwrap();
        }
        DeviceDax::described(folder.path())
    }

    #[test]
    fn size_and_alignment_are_found_wherever_a_kernel_has_them() {
        let expected = Some(DeviceDax { size: 534_773_760, align: 2 << 20 });
        for align in ["align", "device/align", "device/dax_region/align"] {
            assert_eq!(sysfs("dax", &[("size", "534773760\n"), (align, "2097152\n")]), expected, "{align}");
        }
    }

    #[test]
    fn what_is_no_such_device_is_none() {
        let (size, align) = (("size", "4096\n"), ("align", "4096\n"));
        assert!(sysfs("dax", &[size, align]).is_some());
        assert_eq!(sysfs("mem", &[size, align]), None);
        assert_eq!(sysfs("dax", &[size]), None);
        assert_eq!(sysfs("dax", &[align]), None);
        assert_eq!(sysfs("dax", &[("size", "many\n"), align]), None);
        for odd in ["0", "3", "-1", "99999999999999999999"] {
            assert_eq!(sysfs("dax", &[size, ("align", odd)]), None, "{odd}");
        }
        for path in ["/dev/null", "/dev", "/proc/self/exe"] {
            assert_eq!(DeviceDax::of(File::open(path).unwrap().as_fd()), None, "{path}");
        }
    }
}
