//! Index layers laid over each other: of each block, the newest that is said.

use std::iter::Peekable;

use gobag_format::{ids::VolumeId, replica::IndexRun};

/// Runs of two layers as one: where both speak of a block, `newer` counts. Both are in order, and so is what comes out;
/// the first error is the last item.
pub struct Overlay<N: Iterator, O: Iterator> {
    newer: Peekable<N>,
    older: Peekable<O>,
    /// What is left of an older run.
    rest: Option<IndexRun>,
    /// Volume and end of the newer run that was given out last: nothing older counts before it.
    covered: Option<(VolumeId, u64)>,
}

/// Lays `newer` over `older`.
pub fn overlay<N, O, E>(newer: N, older: O) -> Overlay<N, O>
where
    N: Iterator<Item = Result<IndexRun, E>>,
    O: Iterator<Item = Result<IndexRun, E>>,
{
    Overlay {
        newer: newer.peekable(),
        older: older.peekable(),
        rest: None,
        covered: None,
    }
}

impl<N, O, E> Overlay<N, O>
where
    N: Iterator<Item = Result<IndexRun, E>>,
    O: Iterator<Item = Result<IndexRun, E>>,
{
    /// The next older run, without what newer ones that were given out cover.
    fn next_older(&mut self) -> Option<Result<IndexRun, E>> {
        loop {
            let mut run = match self.rest.take() {
                Some(run) => run,
                None => match self.older.next()? {
                    Ok(run) => run,
                    Err(error) => return Some(Err(error)),
                },
            };
            match self.covered {
                Some((volume, _)) if run.volume < volume => {}
                Some((volume, end)) if run.volume == volume && run.end() <= end => {}
                Some((volume, end)) if run.volume == volume && run.first_block < end => {
                    run.blocks = run.end() - end;
                    run.first_block = end;
                    return Some(Ok(run));
                }
                _ => return Some(Ok(run)),
            }
        }
    }
}

impl<N, O, E> Iterator for Overlay<N, O>
where
    N: Iterator<Item = Result<IndexRun, E>>,
    O: Iterator<Item = Result<IndexRun, E>>,
{
    type Item = Result<IndexRun, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let older = match self.next_older() {
            Some(Err(error)) => return Some(Err(error)),
            Some(Ok(run)) => Some(run),
            None => None,
        };
        let first = match self.newer.peek() {
            Some(Ok(newer)) => (newer.volume, newer.first_block),
            Some(Err(_)) => return self.newer.next(),
            None => return older.map(Ok),
        };
        match older {
            Some(mut run) if (run.volume, run.first_block) < first => {
                if run.volume == first.0 && run.end() > first.1 {
                    let mut behind = run;
                    behind.blocks = run.end() - first.1;
                    behind.first_block = first.1;
                    run.blocks = first.1 - run.first_block;
                    self.rest = Some(behind);
                }
                Some(Ok(run))
            }
            older => {
                self.rest = older;
                let newer = self.newer.next();
                if let Some(Ok(run)) = &newer {
                    self.covered = Some((run.volume, run.end()));
                }
                newer
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gobag_format::{digest::Digest, replica::Target};
    use proptest::prelude::*;

    use super::*;

    /// Runs in order, from gaps and lengths; `fill` tells layers apart.
    fn layer(fill: u8, parts: &[(bool, u64, u64)]) -> Vec<IndexRun> {
        let (mut volume, mut at) = (0, 0);
        let run = |&(next, gap, blocks): &(bool, u64, u64)| {
            if next {
                (volume, at) = (volume + 1, 0);
            }
            let first_block = at + gap;
            at = first_block + blocks;
            IndexRun {
                volume: VolumeId(volume),
                first_block,
                blocks,
                target: Target::Pack(Digest([fill; 32])),
            }
        };
        parts.iter().map(run).collect()
    }

    fn ok(runs: &[IndexRun]) -> impl Iterator<Item = Result<IndexRun, ()>> + '_ {
        runs.iter().map(|run| Ok(*run))
    }

    fn parts() -> impl Strategy<Value = Vec<(bool, u64, u64)>> {
        prop::collection::vec((prop::bool::weighted(0.1), 0u64..9, 1u64..9), 0..30)
    }

    proptest! {
        #[test]
        fn of_each_block_the_newest_layer_that_speaks_of_it_counts(a in parts(), b in parts(), c in parts()) {
            let layers = [layer(3, &a), layer(2, &b), layer(1, &c)];
            let mut expected = BTreeMap::new();
            for run in layers.iter().rev().flatten() {
                for block in run.first_block..run.end() {
                    expected.insert((run.volume, block), run.target);
                }
            }
            let all = overlay(ok(&layers[0]), overlay(ok(&layers[1]), ok(&layers[2])));
            let mut last = None;
            let mut found = BTreeMap::new();
            for run in all.map(Result::unwrap) {
                prop_assert!(run.blocks > 0 && last.is_none_or(|last| last <= (run.volume, run.first_block)));
                last = Some((run.volume, run.end()));
                found.extend((run.first_block..run.end()).map(|block| ((run.volume, block), run.target)));
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_error_of_either_layer_comes_out() {
        let runs = layer(1, &[(false, 0, 3), (false, 2, 3)]);
        let failing = || ok(&runs[..1]).chain([Err(())]);
        assert!(overlay(failing(), ok(&runs)).any(|run| run.is_err()));
        assert!(overlay(ok(&runs), failing()).any(|run| run.is_err()));
    }
}
