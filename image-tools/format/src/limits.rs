//! Every limit on what is read from a medium; each stands in `docs/format.md`, "Limits".

/// Bytes of a base chunk before compression.
pub const CHUNK_LEN: usize = 64 * 1024;
/// Bytes of a block: the unit of the log's index and the smallest write.
pub const BLOCK_LEN: usize = 4096;
/// Largest pack file, bytes.
pub const MAX_PACK_LEN: u64 = 1 << 30;
/// Largest volume, bytes (16 TiB: its index leaves fit a table in memory).
pub const MAX_VOLUME_LEN: u64 = 1 << 44;
/// Largest manifest, bytes.
pub const MAX_MANIFEST_LEN: usize = 16 << 20;
/// Most packs one image may name.
pub const MAX_PACKS: usize = 65_535;
/// Largest file of an organisation, bytes.
pub const MAX_ORG_FILE_LEN: usize = 64 * 1024;
/// Most work a file of an organisation may ask for its passphrase: 2 to this power, 1 GiB of memory.
pub const MAX_SCRYPT_WORK_FACTOR: u8 = 20;

/// Bytes of one header slot.
pub const HEADER_SLOT_LEN: usize = 64 * 1024;
/// Slots in each header file.
pub const HEADER_SLOTS: usize = 4;
/// Distance between two slots of a header file: half a usual erase block or more.
pub const HEADER_SLOT_STRIDE: u64 = 4 << 20;
/// Bytes of a header file.
pub const HEADER_FILE_LEN: u64 = HEADER_SLOT_STRIDE * HEADER_SLOTS as u64;
/// Most key slots in a header.
pub const MAX_KEY_SLOTS: usize = 8;
/// Longest sealed record in a header, bytes.
pub const MAX_HEADER_RECORD_LEN: usize = 48 * 1024;
/// Most images a bundle holds at once.
pub const MAX_IMAGES: usize = 16;
/// Most volumes a bundle has.
pub const MAX_VOLUMES: usize = 32;

/// Most memory a passphrase slot may ask for, KiB.
pub const MAX_KDF_MEMORY_KIB: u32 = 1 << 20;
/// Least memory a passphrase slot may ask for, KiB (RFC 9106 second choice).
pub const MIN_KDF_MEMORY_KIB: u32 = 64 << 10;
/// Most passes a passphrase slot may ask for.
pub const MAX_KDF_PASSES: u32 = 16;
/// Most lanes a passphrase slot may ask for.
pub const MAX_KDF_LANES: u32 = 16;
/// Longest passphrase, bytes.
pub const MAX_PASSPHRASE_LEN: usize = 1024;
/// Largest escrow file, bytes.
pub const MAX_ESCROW_LEN: usize = 64 * 1024;

/// Highest number of a record, a batch, a use of a segment or a generation: none is reached by counting, so one more
/// never overflows.
pub const MAX_COUNT: u64 = 1 << 62;
/// Bytes of a log segment file.
pub const SEGMENT_LEN: u64 = 64 << 20;
/// Most segments of a log.
pub const MAX_SEGMENTS: usize = 65_535;
/// Longest record body, bytes.
pub const MAX_RECORD_BODY_LEN: usize = 1 << 20;
/// Most blocks one unit of a record holds.
pub const MAX_UNIT_BLOCKS: usize = 16;
/// Most units, and most trims, one record lists.
pub const MAX_RECORD_UNITS: usize = 2048;
/// Largest checkpoint body, bytes.
pub const MAX_CHECKPOINT_LEN: u64 = 4 << 30;

/// Bytes of a ledger's slot.
pub const LEDGER_SLOT_LEN: usize = 256 << 10;
/// Where the slot lies in a file of the ledger: the largest usual erase block from its start, and from its end.
pub const LEDGER_SLOT_AT: u64 = 8 << 20;
/// Bytes of a file of the ledger.
pub const LEDGER_FILE_LEN: u64 = 2 * LEDGER_SLOT_AT + LEDGER_SLOT_LEN as u64;
/// Longest sealed record in a ledger, bytes: what the slot has room for.
pub const MAX_LEDGER_RECORD_LEN: usize = LEDGER_SLOT_LEN - 112 - 16 - 4;
/// Most results of checks that wait in a ledger.
pub const MAX_KEPT_RESULTS: usize = 8;
/// Earlier points of its replica that a ledger remembers: two for each doubling of generations.
pub const MAX_NOTED_POINTS: usize = 128;
/// Most addresses of the company's server that a ledger names.
pub const MAX_SERVERS: usize = 4;
/// Longest address of the company's server, bytes.
pub const MAX_SERVER_LEN: usize = 260;
/// Longest certificate in a ledger, PEM, bytes.
pub const MAX_CERTIFICATE_LEN: usize = 8 << 10;
/// Bytes of the name that the company has at its server.
pub const MAX_TENANT_LEN: usize = 64;
/// Bytes of the file by which a locked stick finds its company.
pub const CARD_LEN: usize = 32 << 10;
/// Longest lease, and longest extension, that is kept in a ledger, bytes.
pub const MAX_KEPT_LEASE_LEN: usize = 16 << 10;
/// Most extensions that are kept in a ledger.
pub const MAX_KEPT_EXTENSIONS: usize = 4;
/// Workspaces whose keys a ledger keeps.
pub const MAX_KEPT_WORKSPACES: usize = 16;
/// Paired folders that a ledger remembers.
pub const MAX_KEPT_PAIRS: usize = 16;
/// Longest place of a pair, and longest name of a workspace, in a ledger.
pub const MAX_KEPT_PLACE_LEN: usize = 1024;
/// Most signatures of a signed document.
pub const MAX_SIGNATURES: usize = 16;
/// Most officers that a policy names.
pub const MAX_OFFICERS: usize = 16;
/// Longest name of an officer, in bytes of UTF-8.
pub const MAX_OFFICER_NAME_LEN: usize = 64;
/// Most days that officers give a stick by codes.
pub const MAX_CODE_DAYS: u8 = 92;
/// Most wrong codes that a stick takes for one question.
pub const MAX_WRONG_CODES: u8 = 10;
/// Longest signed document, bytes.
pub const MAX_ENVELOPE_LEN: usize = 128 << 10;

/// Longest restore token, bytes.
pub const MAX_TOKEN_LEN: usize = 2048;
/// Longest name of a rule in a waiver.
pub const MAX_WAIVER_RULE_LEN: usize = 64;
/// Longest reason in a waiver, in bytes of UTF-8.
pub const MAX_WAIVER_REASON_LEN: usize = 300;
/// Longest code as it is typed, bytes.
pub const MAX_CODE_LEN: usize = 256;

/// Largest object of a replica, sealed, bytes: what the server takes (`gobag-protocol`).
pub const MAX_REPLICA_OBJECT_LEN: usize = 4 << 20;
/// Most layers of a replica's index.
pub const MAX_REPLICA_LAYERS: usize = 64;

/// Longest blob of a workspace before it is sealed, bytes.
pub const MAX_BLOB_LEN: usize = 1 << 20;
/// Most packs that a workspace's head names; 64 digits each, in a head of 64 KiB.
pub const MAX_HEAD_PACKS: usize = 256;
/// Most earlier points that it names; 32 digits each.
pub const MAX_HEAD_POINTS: usize = 256;
/// Longest key of a workspace's tree, bytes: the longest path that Linux has.
pub const MAX_KEY_LEN: usize = 4096;
/// Most entries of a page of a workspace's tree: more than anybody writes, for keys of one page can share nearly all their bytes.
pub const MAX_PAGE_ENTRIES: usize = 4096;
/// Longest text of a symbolic link, bytes.
pub const MAX_LINK_LEN: usize = 4096;
/// Most levels of lists above those of a file's pieces: 32 parts each on average, so more than any file has.
pub const MAX_LIST_LEVEL: u8 = 12;
/// Most levels of pages above the leaves: 64 pages each on average.
pub const MAX_TREE_LEVEL: u8 = 12;
