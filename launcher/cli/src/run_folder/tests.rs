//! Folders made, left, and cleaned; a mount of a killed launcher.

use super::*;

fn environment(folder: &Path) -> Environment {
    Environment {
        runtime_folder: Some(folder.to_owned()),
        ..Environment::of_process()
    }
}

#[test]
fn a_run_has_a_private_folder_that_is_gone_afterwards() {
    let place = tempfile::tempdir().unwrap();
    let environment = environment(place.path());
    let (folder, cleaned) = RunFolder::create(&environment, BundleId([7; 16])).unwrap();
    assert_eq!(cleaned, 0);
    assert!(
        folder
            .path()
            .ends_with(format!("07070707-{}", std::process::id()))
    );
    for path in [
        folder.path(),
        folder.path().parent().unwrap(),
        &folder.mountpoint(),
    ] {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o700);
    }
    drop(folder);
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn looking_for_runs_leaves_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    assert!(RunFolder::all(&environment(place.path())).unwrap().is_empty());
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn who_waits_for_the_lock_of_the_last_run_begins_anew() {
    let place = tempfile::tempdir().unwrap();
    let environment = environment(place.path());
    let make = |number| RunFolder::create(&environment, BundleId([number; 16])).unwrap().0;
    std::thread::scope(|scope| {
        for number in 0..4 {
            scope.spawn(move || {
                for _ in 0..500 {
                    let folder = make(number);
                    let guard = folder.path().parent().unwrap().join(LOCK);
                    assert!(guard.exists() && folder.mountpoint().exists());
                }
            });
        }
    });
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test makes a dead run's files")]
fn dead_runs_are_put_away_and_living_ones_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let environment = environment(place.path());
    let (living, _) = RunFolder::create(&environment, BundleId([1; 16])).unwrap();
    let dead = place.path().join("gobag/02020202-1");
    fs::create_dir_all(dead.join(MOUNTPOINT)).unwrap();
    fs::write(dead.join("qmp.sock"), "").unwrap();
    fs::write(dead.join(LOCK), "").unwrap();

    let (second, cleaned) = RunFolder::create(&environment, BundleId([3; 16])).unwrap();
    assert_eq!(cleaned, 1);
    assert!(!dead.exists() && living.path().exists());
    assert_eq!(
        RunFolder::all(&environment).unwrap(),
        [living.path(), second.path()]
    );
}

#[test]
fn a_folder_that_others_can_enter_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let base = place.path().join("gobag");
    fs::create_dir(&base).unwrap();
    fs::set_permissions(&base, PermissionsExt::from_mode(0o755)).unwrap();
    let error = RunFolder::create(&environment(place.path()), BundleId([1; 16])).unwrap_err();
    assert_eq!(error.code(), "gobag.run-folder-not-private");

    fs::remove_dir(&base).unwrap();
    std::os::unix::fs::symlink(place.path(), &base).unwrap();
    let error = RunFolder::create(&environment(place.path()), BundleId([1; 16])).unwrap_err();
    assert_eq!(
        error.code(),
        "gobag.run-folder-not-private",
        "a link is not followed"
    );
}

const LAB: &str = "GOBAG_TEST_LAB";

/// Not a test of its own: the launcher that [`a_mount_elsewhere_of_a_killed_launcher_is_taken_away`] kills.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test talks to itself")]
fn the_killed_side() {
    let Some(lab) = std::env::var_os(LAB).map(PathBuf::from) else {
        return;
    };
    let (folder, _) = RunFolder::create(&environment(&lab), BundleId([5; 16])).unwrap();
    let place = lab.join("place");
    folder.mounts_at(&place).unwrap();
    let _mounted = gobag_mount::mount(Vec::new(), &place, &Default::default()).unwrap();
    println!("mounted");
    std::thread::park();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test starts and kills itself")]
fn a_mount_elsewhere_of_a_killed_launcher_is_taken_away() {
    use std::io::{BufRead, BufReader};
    if !Path::new("/dev/fuse").exists() {
        let required = std::env::var("GOBAG_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|name| name == "fuse"),
            "/dev/fuse is missing"
        );
        println!("skipped: /dev/fuse is missing");
        return;
    }
    let lab = tempfile::tempdir().unwrap();
    let place = lab.path().join("place");
    fs::create_dir(&place).unwrap();
    let mut killed = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "run_folder::tests::the_killed_side"])
        .env(LAB, lab.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(killed.stdout.take().unwrap()).lines();
    assert!(
        said.map_while(Result::ok).any(|line| line.contains("mounted")),
        "it ended before it had mounted"
    );
    let environment = environment(lab.path());
    // Alive, it is left alone, also by who finds its record in a dead run's folder.
    let dead = lab.path().join("gobag/06060606-1");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join(ELSEWHERE), place.as_os_str().as_bytes()).unwrap();
    drop(RunFolder::create(&environment, BundleId([7; 16])).unwrap());
    assert!(!dead.exists() && clean::is_mounted(&place));

    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(fs::read_dir(&place).is_err(), "a dead mount");
    let (_, cleaned) = RunFolder::create(&environment, BundleId([7; 16])).unwrap();
    assert_eq!(cleaned, 1);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    assert_eq!(
        fs::read_dir(lab.path()).unwrap().count(),
        1,
        "only the mount point"
    );
}
