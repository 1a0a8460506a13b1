//! One reader, a writing thread for every stick, bounded memory between them.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use gobag_format::Monitor;
use gobag_format::digest::DigestStream;

use super::content::Item;
use super::survey::{Survey, digest_of};
use super::{StickError, is_cancelled, place, side_by_side};
use crate::files::{self, At};

/// Bytes read at once.
pub(crate) const PIECE_LEN: usize = 4 << 20;
/// Pieces that wait for one stick.
const PIECES_WAITING: usize = 4;
/// Bytes after which a stick is synced: shows the speed of the stick rather than that of memory, and leaves
/// less to lose.
pub(crate) const SYNC_AFTER: u64 = 64 << 20;

/// What was done besides writing.
#[derive(Default)]
pub(super) struct Streamed {
    pub(super) removed_files: u64,
}

enum Message {
    Begin(usize),
    Piece(Arc<[u8]>),
    End,
}

/// Reads each item that any stick needs, once, and hands it to those that do. A stick that fails drops out;
/// the others go on. An error concerns the source, and therefore all.
pub(super) fn stream(
    items: &[Item],
    surveys: &[Survey],
    monitor: &dyn Monitor,
) -> Result<Vec<Result<Streamed, StickError>>, StickError> {
    let (senders, receivers): (Vec<_>, Vec<_>) = surveys.iter().map(|_| bounded(PIECES_WAITING)).unzip();
    std::thread::scope(|scope| {
        let writers: Vec<_> = surveys
            .iter()
            .zip(receivers)
            .map(|(survey, messages)| scope.spawn(move || write_stick(items, survey, &messages, monitor)))
            .collect();
        let read = read_items(items, surveys, &senders, monitor);
        // Writers end when nothing more can come.
        drop(senders);
        let join = |writer: std::thread::ScopedJoinHandle<'_, _>| {
            writer
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let written = writers.into_iter().map(join).collect();
        read.map(|()| written)
    })
}

fn read_items(
    items: &[Item],
    surveys: &[Survey],
    sticks: &[Sender<Message>],
    monitor: &dyn Monitor,
) -> Result<(), StickError> {
    for (number, item) in items.iter().enumerate() {
        let takers: Vec<_> = surveys
            .iter()
            .zip(sticks)
            .filter(|(survey, _)| survey.needed[number])
            .map(|(_, stick)| stick)
            .collect();
        if takers.is_empty() {
            continue;
        }
        let send = |message: fn(Arc<[u8]>) -> Message, piece: &Arc<[u8]>| {
            for stick in &takers {
                // A stick that failed does not listen any more; its outcome says so.
                let _ = stick.send(message(Arc::clone(piece)));
            }
        };
        for stick in &takers {
            let _ = stick.send(Message::Begin(number));
        }
        let (mut reader, path) = (item.source.reader()?, item.source.path());
        let (mut digest, mut left) = (DigestStream::new(), item.len);
        while left > 0 {
            is_cancelled(monitor)?;
            let mut piece = vec![0; PIECE_LEN.min(usize::try_from(left).unwrap_or(PIECE_LEN))];
            reader.read_exact(&mut piece).at("read", &path)?;
            digest.update(&piece);
            left -= piece.len() as u64;
            send(Message::Piece, &piece.into());
        }
        // The last message is withheld from a damaged file, so no stick counts it as complete.
        if digest.finish() != item.digest {
            return Err(StickError::SourceDamaged { path });
        }
        for stick in &takers {
            let _ = stick.send(Message::End);
        }
    }
    Ok(())
}

/// Writes what comes, and reports how it ended.
fn write_stick(
    items: &[Item],
    survey: &Survey,
    messages: &Receiver<Message>,
    monitor: &dyn Monitor,
) -> Result<Streamed, StickError> {
    for path in &survey.others {
        files::delete(path)?;
    }
    let mut open: Option<files::NewFile> = None;
    let mut unsynced = 0;
    for message in messages {
        // A slow stick must not have to take all that waits for it before it stops.
        is_cancelled(monitor)?;
        match (message, &mut open) {
            (Message::Begin(number), _) => {
                let (item, path) = (&items[number], place(&survey.target, &items[number]));
                files::make_folder(path.parent().unwrap_or(Path::new(".")))?;
                open = Some(files::NewFile::create(&path, item.executable)?);
            }
            (Message::Piece(piece), Some(file)) => {
                file.write_all(&piece).at("write", file.path())?;
                unsynced += piece.len() as u64;
                if unsynced >= SYNC_AFTER {
                    file.sync()?;
                    unsynced = 0;
                }
                monitor.advance(piece.len() as u64);
            }
            (Message::End, file) => {
                if let Some(file) = file.take() {
                    file.sync()?;
                    files::sync_folder(file.path().parent().unwrap_or(Path::new(".")))?;
                }
                unsynced = 0;
            }
            (Message::Piece(_), None) => {}
        }
    }
    is_cancelled(monitor)?;
    Ok(Streamed {
        removed_files: survey.others.len() as u64,
    })
}

/// Reads every written file back from the medium, all sticks side by side.
pub(super) fn read_back_all(
    items: &[Item],
    surveys: &[Survey],
    written: Vec<Result<Streamed, StickError>>,
    monitor: &dyn Monitor,
) -> Vec<Result<Streamed, StickError>> {
    let numbers: Vec<usize> = (0..surveys.len()).collect();
    let checked = side_by_side(&numbers, |number| match &written[*number] {
        Ok(_) => read_back(items, &surveys[*number], monitor),
        Err(_) => Ok(()),
    });
    written
        .into_iter()
        .zip(checked)
        .map(|(written, checked)| written.and_then(|done| checked.map(|()| done)))
        .collect()
}

fn read_back(items: &[Item], survey: &Survey, monitor: &dyn Monitor) -> Result<(), StickError> {
    for (item, _) in items.iter().zip(&survey.needed).filter(|(_, needed)| **needed) {
        let path = place(&survey.target, item);
        if digest_of(&path, monitor)? != Some(item.digest) {
            return Err(StickError::ReadBack { path });
        }
    }
    Ok(())
}
