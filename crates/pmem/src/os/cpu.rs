//! What this processor offers for making stores durable, as libpmem would choose it.

use std::sync::OnceLock;

/// The instruction that writes a cache line back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlushInstruction {
    #[cfg(target_arch = "x86_64")]
    Clwb,
    #[cfg(target_arch = "x86_64")]
    Clflushopt,
    #[cfg(target_arch = "x86_64")]
    Clflush,
    #[cfg(target_arch = "aarch64")]
    DcCvap,
    #[cfg(target_arch = "aarch64")]
    DcCvac,
    /// `PMEM_NO_FLUSH`, or a platform whose power failure domain includes the caches.
    None,
}

impl FlushInstruction {
    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Clwb => "clwb",
            #[cfg(target_arch = "x86_64")]
            Self::Clflushopt => "clflushopt",
            #[cfg(target_arch = "x86_64")]
            Self::Clflush => "clflush",
            #[cfg(target_arch = "aarch64")]
            Self::DcCvap => "dc cvap",
            #[cfg(target_arch = "aarch64")]
            Self::DcCvac => "dc cvac",
            Self::None => "none",
        }
    }
}

/// The instruction in use; `PMEM_NO_FLUSH`, `PMEM_NO_CLWB` and `PMEM_NO_CLFLUSHOPT` count as in libpmem.
pub(crate) fn flush_instruction() -> FlushInstruction {
    static CHOSEN: OnceLock<FlushInstruction> = OnceLock::new();
    *CHOSEN.get_or_init(|| if flush_is_needless() { FlushInstruction::None } else { detect() })
}

/// Whether caches survive a power failure on this machine (eADR), so that no flush is needed.
pub(crate) fn has_auto_flush() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        if cfg!(windows) {
            return false;
        }
        let Ok(devices) = std::fs::read_dir("/sys/bus/nd/devices") else { return false };
        let mut domains = devices
            .flatten()
            .filter(|device| device.file_name().to_string_lossy().starts_with("region"))
            .map(|region| std::fs::read_to_string(region.path().join("persistence_domain")).unwrap_or_default())
            .peekable();
        domains.peek().is_some() && domains.all(|domain| domain.trim() == "cpu_cache")
    })
}

fn flush_is_needless() -> bool {
    match std::env::var("PMEM_NO_FLUSH").as_deref() {
        Ok("1") => true,
        Ok("0") => false,
        _ => has_auto_flush(),
    }
}

#[cfg(target_arch = "x86_64")]
fn detect() -> FlushInstruction {
    let allowed = |variable: &str| std::env::var(variable).as_deref() != Ok("1");
    let features = structured_extended_features();
    if features & (1 << 24) != 0 && allowed("PMEM_NO_CLWB") {
        return FlushInstruction::Clwb;
    }
    if features & (1 << 23) != 0 && allowed("PMEM_NO_CLFLUSHOPT") {
        return FlushInstruction::Clflushopt;
    }
    FlushInstruction::Clflush
}

/// EBX of CPUID leaf 7, or 0 where the leaf is missing.
#[cfg(target_arch = "x86_64")]
fn structured_extended_features() -> u32 {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    if __cpuid(0).eax < 7 { 0 } else { __cpuid_count(7, 0).ebx }
}

#[cfg(target_arch = "aarch64")]
fn detect() -> FlushInstruction {
    if std::arch::is_aarch64_feature_detected!("dpb") { FlushInstruction::DcCvap } else { FlushInstruction::DcCvac }
}
