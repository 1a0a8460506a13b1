//! Real passes over real folders, and over a workspace on a real server.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests are the users who change the folders"
)]

mod killed;
mod lab;
mod office;
mod share;
mod trouble;

/// Two folders.
mod folders {
    #[path = "../cases.rs"]
    mod cases;

    fn lab(files: &[(&str, &str)]) -> crate::lab::Lab {
        crate::lab::Lab::paired(files)
    }
}

/// A folder and a workspace, which another member's folder is in step with.
#[expect(clippy::duplicate_mod, reason = "the same is to come of the same")]
mod workspace {
    #[path = "../cases.rs"]
    mod cases;

    fn lab(files: &[(&str, &str)]) -> crate::lab::Lab {
        crate::lab::Lab::shared(files)
    }
}
