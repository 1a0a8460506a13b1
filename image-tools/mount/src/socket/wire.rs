//! The structures of the NBD protocol, as far as we speak it. All numbers are big-endian.
//!
//! Source of every number: the protocol's document `doc/proto.md` in the repository of NetworkBlockDevice/nbd.

/// First words of the server, and the first of every option of the client.
pub(super) const INIT_MAGIC: u64 = 0x4e42_444d_4147_4943;
pub(super) const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
pub(super) const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
pub(super) const REQUEST_MAGIC: u32 = 0x2560_9513;
pub(super) const REPLY_MAGIC: u32 = 0x6744_6698;

/// Handshake flags: fixed newstyle, no zeroes after the old way of choosing an export.
pub(super) const FIXED_NEWSTYLE: u16 = 1;
pub(super) const NO_ZEROES: u16 = 2;

/// Options of the client.
pub(super) const OPT_EXPORT_NAME: u32 = 1;
pub(super) const OPT_ABORT: u32 = 2;
pub(super) const OPT_LIST: u32 = 3;
pub(super) const OPT_INFO: u32 = 6;
pub(super) const OPT_GO: u32 = 7;

/// Replies to options.
pub(super) const REP_ACK: u32 = 1;
pub(super) const REP_SERVER: u32 = 2;
pub(super) const REP_INFO: u32 = 3;
pub(super) const REP_ERR_UNSUP: u32 = (1 << 31) | 1;
pub(super) const REP_ERR_POLICY: u32 = (1 << 31) | 2;
pub(super) const REP_ERR_INVALID: u32 = (1 << 31) | 3;
pub(super) const REP_ERR_UNKNOWN: u32 = (1 << 31) | 6;
pub(super) const REP_ERR_TOO_BIG: u32 = (1 << 31) | 9;

/// Kinds of information about an export.
pub(super) const INFO_EXPORT: u16 = 0;
pub(super) const INFO_NAME: u16 = 1;
pub(super) const INFO_BLOCK_SIZE: u16 = 3;

/// What an export can do.
const HAS_FLAGS: u16 = 1;
const READ_ONLY: u16 = 1 << 1;
const SEND_FLUSH: u16 = 1 << 2;
const SEND_FUA: u16 = 1 << 3;
const SEND_TRIM: u16 = 1 << 5;
const SEND_WRITE_ZEROES: u16 = 1 << 6;
const CAN_MULTI_CONN: u16 = 1 << 8;

/// Flags of a request.
pub(super) const FLAG_FUA: u16 = 1;
const FLAG_NO_HOLE: u16 = 1 << 1;

/// Error numbers of replies.
pub(super) const EPERM: u32 = 1;
pub(super) const EIO: u32 = 5;
pub(super) const EINVAL: u32 = 22;
pub(super) const ENOSPC: u32 = 28;
pub(super) const EOVERFLOW: u32 = 75;

/// Smallest unit of a request, bytes: anything goes, though blocks are faster.
pub(super) const MIN_BLOCK: u32 = 1;
/// What serves best, bytes: a block of the log.
pub(super) const GOOD_BLOCK: u32 = 4096;
/// Largest read or write, bytes: what clients expect that never asked.
pub(super) const MAX_TRANSFER: u32 = 32 << 20;
/// Longest data of an option, bytes: a name of 4,096, its length, and many kinds of information.
pub(super) const MAX_OPTION: u32 = 4096 + 64 + 2 * 256;

pub(super) const OPTION_HEADER_LEN: usize = 16;
pub(super) const REQUEST_LEN: usize = 28;
pub(super) const REPLY_LEN: usize = 16;

/// The transmission flags of an export. A flush on any connection covers what was acknowledged on all.
pub(super) fn export_flags(read_only: bool) -> u16 {
    let always = HAS_FLAGS | SEND_FLUSH | CAN_MULTI_CONN;
    if read_only {
        always | READ_ONLY
    } else {
        always | SEND_FUA | SEND_TRIM | SEND_WRITE_ZEROES
    }
}

/// The kind and the length of the data of an option. `None`: this is not the protocol.
pub(super) fn parse_option(header: &[u8; OPTION_HEADER_LEN]) -> Option<(u32, u32)> {
    let (magic, rest) = header.split_first_chunk::<8>()?;
    let (kind, len) = rest.split_first_chunk::<4>()?;
    let len = len.first_chunk::<4>()?;
    (u64::from_be_bytes(*magic) == OPTION_MAGIC)
        .then_some((u32::from_be_bytes(*kind), u32::from_be_bytes(*len)))
}

/// A chosen export and the kinds of information wanted, from the data of `INFO` and `GO`.
pub(super) fn parse_choice(data: &[u8]) -> Option<(&str, Vec<u16>)> {
    let (len, rest) = data.split_first_chunk::<4>()?;
    let (name, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
    let (count, kinds) = rest.split_first_chunk::<2>()?;
    let kinds: Vec<u16> = kinds
        .chunks_exact(2)
        .map(|kind| u16::from_be_bytes([kind[0], kind[1]]))
        .collect();
    let is_whole = usize::from(u16::from_be_bytes(*count)) * 2 == rest.len() - 2;
    is_whole.then_some((std::str::from_utf8(name).ok()?, kinds))
}

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Read,
    Write,
    Disconnect,
    Flush,
    /// Trim or write zeroes: both make a range read as zero.
    Zero,
}

/// A request as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ParsedRequest {
    /// `None`: unknown command or flags; to be answered with `EINVAL`.
    pub(super) command: Option<Command>,
    /// Whether it is answered only when durable.
    pub(super) durable: bool,
    /// The client's mark, given back with the answer.
    pub(super) cookie: u64,
    pub(super) offset: u64,
    pub(super) len: u32,
    /// Bytes that follow the header.
    pub(super) payload: u32,
}

/// Reads the header of a request. `None`: this is not the protocol, and what follows has no meaning.
pub(super) fn parse_request(header: &[u8; REQUEST_LEN]) -> Option<ParsedRequest> {
    let (magic, rest) = header.split_first_chunk::<4>()?;
    let (flags, rest) = rest.split_first_chunk::<2>()?;
    let (kind, rest) = rest.split_first_chunk::<2>()?;
    let (cookie, rest) = rest.split_first_chunk::<8>()?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let len = rest.first_chunk::<4>()?;
    if u32::from_be_bytes(*magic) != REQUEST_MAGIC {
        return None;
    }
    let (flags, len) = (u16::from_be_bytes(*flags), u32::from_be_bytes(*len));
    let (command, allowed) = match u16::from_be_bytes(*kind) {
        0 => (Some(Command::Read), FLAG_FUA),
        1 => (Some(Command::Write), FLAG_FUA),
        2 => (Some(Command::Disconnect), u16::MAX),
        3 => (Some(Command::Flush), FLAG_FUA),
        4 => (Some(Command::Zero), FLAG_FUA),
        6 => (Some(Command::Zero), FLAG_FUA | FLAG_NO_HOLE),
        _ => (None, 0),
    };
    Some(ParsedRequest {
        command: command.filter(|_| flags & !allowed == 0),
        durable: flags & FLAG_FUA != 0,
        cookie: u64::from_be_bytes(*cookie),
        offset: u64::from_be_bytes(*offset),
        len,
        payload: if command == Some(Command::Write) { len } else { 0 },
    })
}

/// The header of an answer; a read's bytes follow it unless `error` says otherwise.
pub(super) fn reply(error: u32, cookie: u64) -> [u8; REPLY_LEN] {
    let mut header = [0; REPLY_LEN];
    header[..4].copy_from_slice(&REPLY_MAGIC.to_be_bytes());
    header[4..8].copy_from_slice(&error.to_be_bytes());
    header[8..].copy_from_slice(&cookie.to_be_bytes());
    header
}

/// An answer to an option, data included.
pub(super) fn option_reply(option: u32, kind: u32, data: &[u8]) -> Vec<u8> {
    let mut reply = Vec::with_capacity(20 + data.len());
    reply.extend_from_slice(&OPTION_REPLY_MAGIC.to_be_bytes());
    reply.extend_from_slice(&option.to_be_bytes());
    reply.extend_from_slice(&kind.to_be_bytes());
    // Everything we say fits: names have at most 255 bytes.
    reply.extend_from_slice(&(data.len() as u32).to_be_bytes());
    reply.extend_from_slice(data);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(flags: u16, kind: u16, offset: u64, len: u32) -> [u8; REQUEST_LEN] {
        let mut bytes = REQUEST_MAGIC.to_be_bytes().to_vec();
        bytes.extend_from_slice(&flags.to_be_bytes());
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&7_u64.to_be_bytes());
        bytes.extend_from_slice(&offset.to_be_bytes());
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.try_into().unwrap()
    }

    #[test]
    fn only_a_write_is_followed_by_bytes() {
        for kind in 0..10 {
            let parsed = parse_request(&request(0, kind, 1, 512)).unwrap();
            assert_eq!(parsed.payload, if kind == 1 { 512 } else { 0 }, "{kind}");
            assert_eq!((parsed.cookie, parsed.offset, parsed.len), (7, 1, 512));
        }
    }

    #[test]
    fn unknown_commands_and_flags_are_no_commands() {
        let command = |flags, kind| parse_request(&request(flags, kind, 0, 0)).unwrap().command;
        assert_eq!(command(0, 5), None, "cache");
        assert_eq!(command(0, 7), None, "block status");
        assert_eq!(command(FLAG_NO_HOLE, 4), None, "a flag of write zeroes on trim");
        assert_eq!(command(FLAG_NO_HOLE | FLAG_FUA, 6), Some(Command::Zero));
        assert_eq!(command(1 << 4, 6), None, "fast zero was not offered");
    }

    #[test]
    fn other_protocols_are_told_apart() {
        assert_eq!(parse_request(&[b'G'; REQUEST_LEN]), None);
        assert_eq!(parse_option(&[b'G'; OPTION_HEADER_LEN]), None);
    }

    #[test]
    fn a_choice_is_whole_or_nothing() {
        let whole = [
            &4_u32.to_be_bytes()[..],
            b"home",
            &1_u16.to_be_bytes(),
            &3_u16.to_be_bytes(),
        ]
        .concat();
        assert_eq!(parse_choice(&whole), Some(("home", vec![3])));
        for len in 0..whole.len() {
            assert_eq!(parse_choice(&whole[..len]), None, "{len}");
        }
        assert_eq!(parse_choice(&[&whole[..], b"x"].concat()), None);
        let endless = [&u32::MAX.to_be_bytes()[..], b"home"].concat();
        assert_eq!(parse_choice(&endless), None);
    }
}
