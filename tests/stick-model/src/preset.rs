//! The three sticks. Every number is a published measurement or follows from one; the comment beside it says which.
//!
//! Each preset is *one* real device that somebody measured completely, not a mixture of the worst numbers of several.
//! `tests/published.rs` runs the measurers' own jobs through the model and compares.
//!
//! | source | what |
//! |---|---|
//! | P1 | pastebin.com/bwpMKtDL (2015): CrystalDiskMark 3.0.3, Corsair Padlock2 16 GB, USB 2, 1000 MB test file |
//! | P2 | acex.com.au "USB 3.0 flash drive read/write performance" (2017): CrystalDiskMark 5.2.1, Lexar S75 128 GB, 100 MiB |
//! | P3 | pastebin.com/N5wEghn3: iozone, Intel 540 SSD in a USB 3 enclosure, 100 MiB (the columns are KiB/s) |
//! | P4 | flashbench README (github.com/bradfa/flashbench): 8 KiB pages written in pairs, 4 MiB units, two of them open |
//! | P5 | sami-lehtinen.net "Microbenchmarking flash drives": internal pages of 64 KiB to 1 MiB, "every random 4k update ends up updating 1 MiB"; stalls of 1.15 to 2.5 s |
//! | P6 | wiki-archive.linaro.org "block-layer-optimizations-for-flash": half a second for a single data block |
//! | P7 | unix.stackexchange.com 495670, 30620: a stick without a caching mode page is written through and never sent a flush |
//! | P8 | smalldatum.blogspot.com "SSDs, power loss protection and fsync latency" (2026): 0.9 ms for a consumer SSD |

/// What a stick is like. Times are for one request, rates for the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Bytes a second of a sequential read.
    pub read_rate: u64,
    /// Bytes a second at which flash is programmed; equals the rate of a sequential write.
    pub write_rate: u64,
    /// Bytes a second at which the controller reads old data and programs them again elsewhere.
    pub copy_rate: u64,
    /// Microseconds on the bus for a request that finds the device idle; hidden behind the one before otherwise.
    pub command_us: u64,
    /// Microseconds until the first byte of a read that does not continue an earlier one.
    pub read_access_us: u64,
    /// Microseconds for a write that does not continue an earlier one, besides what it makes the flash do.
    pub write_access_us: u64,
    /// Microseconds the device takes to flush its own cache; 0 if it has none.
    pub sync_us: u64,
    /// What is programmed at once; a smaller piece costs a whole one.
    pub page_bytes: u64,
    /// What is mapped, merged and erased as a whole. A multiple of `page_bytes`.
    pub unit_bytes: u64,
    /// Units that can take writes without a merge at the same time.
    pub open_units: usize,
    /// Clusters of exFAT, as its formatter chooses for that size.
    pub cluster_bytes: u64,
    /// Size of the stick.
    pub capacity_bytes: u64,
}

/// A USB 2 stick as they are given away: Corsair Padlock2 16 GB (P1).
pub const POOR: Preset = Preset {
    name: "poor",
    // P1: 13.546 and 8.616 MB/s
    read_rate: 13_546_000,
    write_rate: 8_616_000,
    // P1: 4 KiB at 1.7 a second and 512 KiB at 0.803 MB/s both leave 0.59 s for the merge of one unit of 4 MiB; the same
    // half second as in P6
    copy_rate: 7_050_000,
    // P1: a random 4 KiB read takes 0.859 ms alone and 0.702 ms in a queue; 0.302 ms of it is transfer
    command_us: 157,
    read_access_us: 400,
    write_access_us: 0,
    // P7: there is no cache to flush
    sync_us: 0,
    // P4
    page_bytes: 16 << 10,
    unit_bytes: 4 << 20,
    open_units: 2,
    // exFAT up to 32 GB
    cluster_bytes: 32 << 10,
    capacity_bytes: 16_000_000_000,
};

/// A USB 3 stick as one buys it: Lexar S75 128 GB (P2).
pub const USUAL: Preset = Preset {
    name: "usual",
    // P2: 136.316 and 98.146 MB/s
    read_rate: 136_316_000,
    write_rate: 98_146_000,
    // P2: a random 4 KiB write takes 7.07 ms; with units of 512 KiB (P5) this is the rate of the merge. Its ratio to the
    // write rate is about the one of the poor stick
    copy_rate: 76_000_000,
    // P2: a random 4 KiB read takes 0.990 ms alone and 0.803 ms in a queue; 0.030 ms of it is transfer
    command_us: 187,
    read_access_us: 773,
    write_access_us: 0,
    // P7
    sync_us: 0,
    // P4; P5
    page_bytes: 16 << 10,
    unit_bytes: 512 << 10,
    // not published for this stick; five is what LWN 428584 and the flashbench list report for better media
    open_units: 5,
    // exFAT above 32 GB
    cluster_bytes: 128 << 10,
    capacity_bytes: 128_000_000_000,
};

/// A portable SSD behind UASP: Intel 540 in a USB 3 enclosure (P3).
pub const SSD: Preset = Preset {
    name: "ssd",
    // P3, requests of 16 MiB: 363,698 and 326,328 KiB/s
    read_rate: 372_427_000,
    write_rate: 334_160_000,
    copy_rate: 334_160_000,
    // P3: a sequential 4 KiB read takes 126 µs, a random one 209 µs; a sequential 4 KiB rewrite 137 µs, a random one 142 µs
    command_us: 115,
    read_access_us: 83,
    write_access_us: 15,
    // P8
    sync_us: 900,
    // mapped by pages: no write moves others' data. Its own cleaning (years of use, a full drive) is not modelled
    page_bytes: 4 << 10,
    unit_bytes: 4 << 10,
    open_units: 1,
    cluster_bytes: 128 << 10,
    capacity_bytes: 480_000_000_000,
};

impl Preset {
    /// All of them, the slowest first.
    pub const ALL: [&'static Preset; 3] = [&POOR, &USUAL, &SSD];

    /// The preset of that name.
    pub fn named(name: &str) -> Option<&'static Preset> {
        Self::ALL.into_iter().find(|preset| preset.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_fit_the_model() {
        for preset in Preset::ALL {
            assert_eq!(preset.unit_bytes % preset.page_bytes, 0, "{}", preset.name);
            assert_eq!(preset.cluster_bytes % preset.page_bytes, 0, "{}", preset.name);
            assert!(preset.open_units >= 1);
            assert_eq!(Preset::named(preset.name), Some(preset));
        }
        assert_eq!(Preset::named("golden"), None);
    }
}
