//! The most of everything that crosses the wire (`docs/sync-protocol.md`). Both sides check before they allocate.

/// Bytes of an object.
pub const MAX_OBJECT_BYTES: usize = 4 << 20;
/// Ids in one question for what is missing.
pub const MAX_MISSING_IDS: usize = 4096;
/// Ids added, and ids dropped, in one request for a point or a part of one.
pub const MAX_POINT_IDS: usize = 65_536;
/// Ids added and dropped in one point with all its parts.
pub const MAX_POINT_IDS_WITH_PARTS: usize = 1 << 20;
/// Ids named in a refusal.
pub const MAX_NAMED_IDS: usize = 100;
/// Bytes of a point's sealed head.
pub const MAX_HEAD_BYTES: usize = 64 << 10;
/// Points in one answer.
pub const MAX_LISTED_POINTS: u32 = 100;
/// Bookmarks of a point.
pub const MAX_BOOKMARKS: usize = 16;
/// Bytes of a bookmark's sealed label.
pub const MAX_LABEL_BYTES: usize = 1024;
/// Lines of a stick, and of a workspace.
pub const MAX_LINES: usize = 64;
/// Characters of a line's name.
pub const MAX_LINE_NAME: usize = 64;
/// Characters of a tenant's name.
pub const MAX_TENANT_NAME: usize = 32;
/// Characters of the name of a group of sticks.
pub const MAX_GROUP_NAME: usize = 64;
/// Characters of a workspace's name.
pub const MAX_WORKSPACE_NAME: usize = 64;
/// Workspaces of a tenant.
pub const MAX_WORKSPACES: usize = 256;
/// Members of a workspace.
pub const MAX_MEMBERS: usize = 4096;
/// Seconds that a request waits for a newer point at most: fewer than a client, or what stands between, waits for a byte.
pub const MAX_WAIT_S: u32 = 50;
/// Requests of one stick that wait at the same time, at each server.
pub const MAX_WAITS: usize = 16;
/// Characters of a person's name.
pub const MAX_PERSON_NAME: usize = 128;
/// Bytes of the memory that is kept of a stick (`docs/format/memory.md`): always as many.
pub const MEMORY_BYTES: usize = 256;
/// Bytes of a signed check result.
pub const MAX_RESULT_BYTES: usize = 128 << 10;
/// Results kept of a stick; the oldest go.
pub const MAX_RESULTS: usize = 256;
/// Bytes of a JSON body that carries no list of ids.
pub const MAX_SMALL_BODY: usize = 64 << 10;
/// Bytes of a JSON body: two full lists of ids with quotes, commas and some room, and a head in base64.
pub const MAX_BODY: usize = 2 * MAX_POINT_IDS * 72 + MAX_HEAD_BYTES * 2 + MAX_SMALL_BODY;
/// Seconds that an enrolment token counts.
pub const ENROLMENT_TOKEN_S: u64 = 15 * 60;
/// Seconds that a stick's certificate counts.
pub const CERTIFICATE_S: u64 = 72 * 3600;
/// Seconds that parts and objects without a point are kept at least.
pub const UNUSED_KEPT_S: u64 = 72 * 3600;
/// Seconds a body may be without a byte.
pub const STALL_S: u64 = 60;
/// Bytes of an enrolment letter.
pub const MAX_LETTER_BYTES: usize = 32 << 10;
/// Bytes of a workspace letter.
pub const MAX_WORKSPACE_LETTER_BYTES: usize = 4096;
/// Bytes of where a workspace is kept, as it is written.
pub const MAX_PLACE: usize = 1024;
/// Bytes of each word of credentials.
pub const MAX_CREDENTIAL: usize = 2048;
/// Addresses of the company's server in a letter.
pub const MAX_SERVERS: usize = gobag_format::limits::MAX_SERVERS;
/// Bytes of an address.
pub const MAX_SERVER: usize = gobag_format::limits::MAX_SERVER_LEN;
/// Bytes of the CA's certificate, PEM.
pub const MAX_CA: usize = gobag_format::limits::MAX_CERTIFICATE_LEN;
