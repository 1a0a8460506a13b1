//! What a foreign image may ask of us. Everything read from one is checked against these before memory or disk is
//! spent on it; a real image stays far below each.

/// Longest path inside an image, in bytes (Linux `PATH_MAX`).
pub const MAX_PATH_BYTES: usize = 4096;
/// Longest single name, in bytes (ext4).
pub const MAX_NAME_BYTES: usize = 255;
/// Deepest folder, in components, after symbolic links in it were followed.
pub const MAX_PATH_DEPTH: usize = 512;
/// Longest symbolic link target, in bytes (one ext4 block less its terminator).
pub const MAX_SYMLINK_BYTES: usize = 4095;
/// Symbolic links followed for one path, as in the Linux kernel.
pub const MAX_SYMLINK_HOPS: usize = 40;
/// Entries in all layers of an image together. A name takes about 150 bytes of memory.
pub const MAX_ENTRIES: u64 = 5_000_000;
/// First bytes of files kept in memory while flattening, in all.
pub const MAX_KEPT_BYTES: u64 = 64 << 20;
/// Bytes of file content in the flattened image, holes included (ext4's largest file).
pub const MAX_CONTENT_BYTES: u64 = 16 << 40;
/// One extension header of a tar archive (long name or pax records), in bytes.
pub const MAX_EXTENSION_BYTES: u64 = 1 << 20;
/// Extension headers before one entry.
pub const MAX_EXTENSION_HEADERS: u64 = 16;
/// Extended attributes of one entry, in bytes (ext4 stores less).
pub const MAX_ATTRIBUTE_BYTES: usize = 256 << 10;
/// Data pieces of one sparse file in a tar archive.
pub const MAX_SPARSE_PIECES: usize = 1 << 20;
/// A JSON document of an OCI or docker image, in bytes (what registries accept as a manifest).
pub const MAX_JSON_BYTES: u64 = 4 << 20;
/// Layers of one image (overlayfs, as container engines use it, stops at 500).
pub const MAX_LAYERS: usize = 512;
/// Entries of one index or `manifest.json`.
pub const MAX_MANIFESTS: usize = 4096;
/// Indexes nested in indexes.
pub const MAX_INDEX_DEPTH: usize = 4;
/// Members of an image archive (the outer tar of an OCI or docker archive).
pub const MAX_ARCHIVE_MEMBERS: usize = 65_536;
/// Symbolic links followed between members of an image archive.
pub const MAX_MEMBER_HOPS: usize = 8;
/// Memory an xz stream may ask for, in KiB; `xz -9` needs 65 MiB.
pub const MAX_XZ_MEMORY_KIB: u32 = 256 << 10;
/// Largest window of a zstd stream, as a power of two; `zstd --ultra -22` uses 27.
pub const MAX_ZSTD_WINDOW_LOG: u32 = 27;
/// `/etc/fstab` and `os-release`, in bytes.
pub const MAX_TEXT_FILE_BYTES: u64 = 1 << 20;
/// Kernels and initial RAM disks, in bytes.
pub const MAX_BOOT_FILE_BYTES: u64 = 1 << 30;
/// A VMDK descriptor, in bytes.
pub const MAX_VMDK_DESCRIPTOR_BYTES: u64 = 1 << 20;
/// Partition entries looked at.
pub const MAX_PARTITIONS: usize = 256;
/// Size of one GPT entry, in bytes (the usual is 128).
pub const MAX_GPT_ENTRY_BYTES: usize = 4096;
