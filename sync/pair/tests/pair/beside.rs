//! A member beside the company's share: its folder is the share, whose files keep their names.

use gobag_format::Silent;
use gobag_pair::{Pair, RootId};
use gobag_reconcile::Side;

use crate::lab::Lab;

/// The left folder is a user's, the right one the share; both are members.
fn lab() -> Lab {
    let lab = Lab::shared(&[("report.odt", "1")]);
    lab.pair_of("right").unwrap().keep_names_of(Side::Left).unwrap();
    lab
}

#[test]
fn the_shares_file_keeps_its_name_whoever_is_first_and_nothing_goes_to_and_fro() {
    for order in [["left", "right"], ["right", "left"]] {
        let mut lab = lab();
        for edit in 0..3 {
            lab.write("left", "report.odt", &format!("of the stick {edit}"));
            lab.write("right", "report.odt", &format!("of the share {edit}"));
            for member in order {
                let options = lab.options();
                let report = lab.pair_of(member).unwrap().pass(&options, &Silent).unwrap();
                let finds_it = member == order[1];
                assert_eq!(
                    report.notices.len(),
                    usize::from(finds_it),
                    "{order:?} {edit} {report:?}"
                );
            }
            // Asserts that both are the same, and that nothing is left to do.
            lab.pass();
            let tree = lab.tree("right");
            assert!(
                tree.contains(&format!("report.odt=of the share {edit}")),
                "{order:?} {tree}"
            );
            assert_eq!(
                tree.matches("=of the stick").count(),
                edit + 1,
                "{order:?} {tree}"
            );
            assert_eq!(tree.matches('=').count(), edit + 2, "one copy for each: {tree}");
        }
    }
}

#[test]
fn it_is_remembered_also_where_the_base_is_begun_anew() {
    let mut lab = lab();
    let before = lab.save_server();
    lab.write("left", "report.odt", "2");
    lab.pass();
    // What the share's base knows is not there any more.
    lab.restore_server(before);
    lab.write("left", "report.odt", "of the stick");
    lab.write("right", "report.odt", "of the share");
    lab.pass();
    let tree = lab.tree("left");
    assert!(
        tree.contains("report.odt=of the share") && tree.contains("=of the stick"),
        "{tree}"
    );
}

#[test]
fn of_two_folders_the_left_one_can_keep_names_too() {
    let mut lab = Lab::paired(&[("a", "1")]);
    lab.pair().unwrap().keep_names_of(Side::Left).unwrap();
    lab.write("left", "a", "left");
    lab.write("right", "a", "right");
    let report = lab.pass();
    assert_eq!(report.notices.len(), 1, "{report:?}");
    let tree = lab.tree("right");
    assert!(
        tree.contains("a=left") && tree.contains("a (conflict other "),
        "{tree}"
    );
    lab.pair().unwrap().keep_names_of(Side::Right).unwrap();
    lab.write("left", "a", "left again");
    lab.write("right", "a", "right again");
    lab.pass();
    assert!(lab.tree("left").contains("a=right again"), "{}", lab.tree("left"));
}

#[test]
fn who_pairs_the_share_anew_hears_whose_names_were_kept() {
    let mut lab = lab();
    lab.pair_of("right").unwrap().remember("keep", "all").unwrap();
    Pair::forget(&lab.at("right"), RootId([9; 16])).unwrap();
    lab.write("left", "report.odt", "of the stick");
    lab.write("right", "report.odt", "of the share");
    lab.pass();
    let tree = lab.tree("left");
    assert!(
        tree.contains("report.odt=of the share") && tree.contains("=of the stick"),
        "{tree}"
    );
    let said = lab.pair_of("right").unwrap().remembered("keep").unwrap();
    assert_eq!(said.as_deref(), Some("all"));
    // Of one that cannot be read nothing is let go that somebody may have wanted to keep.
    std::fs::write(lab.at("right/.gobag-sync/base.db"), "no database").unwrap();
    let said = lab.pair_of("right").unwrap().remembered("keep").unwrap();
    assert_eq!(said.as_deref(), Some("all"));
}
