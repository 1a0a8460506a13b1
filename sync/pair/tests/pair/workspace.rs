//! The same where the other side is a workspace, which another member's folder is in step with.
#![expect(clippy::duplicate_mod, reason = "the same is to come of the same")]

#[path = "cases.rs"]
mod cases;

fn lab(files: &[(&str, &str)]) -> crate::lab::Lab {
    crate::lab::Lab::shared(files)
}
