//! What becomes of what people do, where the other side is a folder.

#[path = "cases.rs"]
mod cases;

fn lab(files: &[(&str, &str)]) -> crate::lab::Lab {
    crate::lab::Lab::paired(files)
}
