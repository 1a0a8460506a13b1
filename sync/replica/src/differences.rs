//! In which blocks two states of an index differ.

use gobag_format::{ids::VolumeId, replica::IndexRun};

/// Calls `differ` (volume, first block, blocks) for what one of two sequences of runs says and the other does not say in the same words.
/// Both are in order. Ends with the first error.
pub fn differences<E>(
    mut left: impl Iterator<Item = Result<IndexRun, E>>,
    mut right: impl Iterator<Item = Result<IndexRun, E>>,
    mut differ: impl FnMut(VolumeId, u64, u64),
) -> Result<(), E> {
    let (mut one, mut other) = (left.next().transpose()?, right.next().transpose()?);
    while let (Some(a), Some(b)) = (&mut one, &mut other) {
        let (here, there) = ((a.volume, a.first_block), (b.volume, b.first_block));
        // What begins first is alone up to where the other begins; where both begin, they go as far as the shorter.
        if here < there {
            let alone = cut(a, there);
            differ(alone.volume, alone.first_block, alone.blocks);
        } else if there < here {
            let alone = cut(b, here);
            differ(alone.volume, alone.first_block, alone.blocks);
        } else {
            let end = (a.volume, a.end().min(b.end()));
            let (a, b) = (cut(a, end), cut(b, end));
            if a.target != b.target {
                differ(a.volume, a.first_block, a.blocks);
            }
        }
        if a.blocks == 0 {
            one = left.next().transpose()?;
        }
        if b.blocks == 0 {
            other = right.next().transpose()?;
        }
    }
    for run in one.into_iter().chain(other) {
        differ(run.volume, run.first_block, run.blocks);
    }
    for run in left.chain(right) {
        let run = run?;
        differ(run.volume, run.first_block, run.blocks);
    }
    Ok(())
}

/// Takes off `run` what lies before `end`; nothing may be left.
fn cut(run: &mut IndexRun, (volume, block): (VolumeId, u64)) -> IndexRun {
    let blocks = match run.volume == volume {
        true => run.blocks.min(block - run.first_block),
        false => run.blocks,
    };
    let before = IndexRun { blocks, ..*run };
    run.first_block += blocks;
    run.blocks -= blocks;
    before
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use gobag_format::replica::Target;
    use proptest::prelude::*;

    use super::*;

    fn runs() -> impl Strategy<Value = Vec<IndexRun>> {
        let parts = prop::collection::vec(
            (prop::bool::weighted(0.1), 0u64..9, 1u64..9, any::<bool>()),
            0..30,
        );
        parts.prop_map(|parts| {
            let (mut volume, mut at) = (0, 0);
            let run = |(next, gap, blocks, zero)| {
                if next {
                    (volume, at) = (volume + 1, 0);
                }
                let first_block = at + gap;
                at = first_block + blocks;
                IndexRun {
                    volume: VolumeId(volume),
                    first_block,
                    blocks,
                    target: if zero { Target::Zero } else { Target::Base },
                }
            };
            parts.into_iter().map(run).collect()
        })
    }

    fn by_block(runs: &[IndexRun]) -> BTreeMap<(VolumeId, u64), Target> {
        let blocks = runs
            .iter()
            .flat_map(|run| (run.first_block..run.end()).map(|block| ((run.volume, block), run.target)));
        blocks.collect()
    }

    proptest! {
        #[test]
        fn what_differs_is_what_differs_block_by_block(left in runs(), right in runs()) {
            let (one, other) = (by_block(&left), by_block(&right));
            let expected: BTreeSet<_> = one.keys().chain(other.keys()).copied()
                .filter(|key| one.get(key) != other.get(key)).collect();
            let mut found = BTreeSet::new();
            let ok = |runs: Vec<IndexRun>| runs.into_iter().map(Ok::<_, ()>);
            differences(ok(left), ok(right), |volume, first, blocks| {
                assert!(blocks > 0);
                for block in first..first + blocks {
                    assert!(found.insert((volume, block)), "block {block} comes twice");
                }
            }).unwrap();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_error_of_either_side_comes_out() {
        let run = |first_block| IndexRun {
            volume: VolumeId(0),
            first_block,
            blocks: 1,
            target: Target::Zero,
        };
        let whole = || [Ok(run(0)), Ok(run(5)), Ok(run(9))].into_iter();
        let broken = || [Ok(run(0)), Err("broken")].into_iter();
        for (left, right) in [(true, false), (false, true)] {
            let side = |is_broken: bool| -> Box<dyn Iterator<Item = Result<IndexRun, &str>>> {
                if is_broken {
                    Box::new(broken())
                } else {
                    Box::new(whole())
                }
            };
            assert_eq!(differences(side(left), side(right), |_, _, _| ()), Err("broken"));
        }
    }
}
