//! The real Chromium, without a window: what people see, and what comes out of their printer.

use std::{
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use flate2::read::ZlibDecoder;
use gobag_engine::{run::Run, tools};
use tempfile::TempDir;

/// A browser that has not ended by then hangs.
const DEADLINE: Duration = Duration::from_secs(240);

pub(super) struct Browser {
    program: PathBuf,
    pdfinfo: PathBuf,
    pdftotext: PathBuf,
}

/// A page on paper.
pub(super) struct Printed {
    pub(super) pages: u32,
    /// As `pdfinfo` names it.
    pub(super) size: String,
    pub(super) text: String,
    /// Height of every word's box, in points.
    pub(super) words: Vec<(String, f64)>,
}

impl Browser {
    /// `None`, and a word, where there is none.
    pub(super) fn here() -> Option<Self> {
        let path = env::var_os("PATH");
        let find = |name| tools::find(name, path.as_deref());
        let found = (find("chromium"), find("pdfinfo"), find("pdftotext"));
        if let (Ok(program), Ok(pdfinfo), Ok(pdftotext)) = found {
            return Some(Self {
                program,
                pdfinfo,
                pdftotext,
            });
        }
        let required = env::var("GOBAG_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|word| word == "chromium"),
            "chromium or poppler-utils is missing"
        );
        println!("skipped: no chromium or no poppler-utils here");
        None
    }

    /// Prints a page as its own style says.
    pub(super) fn print(&self, page: &Path) -> Printed {
        let pdf = page.with_extension("pdf");
        self.browse(
            page,
            &[
                &format!("--print-to-pdf={}", pdf.display()),
                "--no-pdf-header-footer",
            ],
        );
        let info = output(&self.pdfinfo, &[&pdf]);
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name} in {info}"))
                .trim()
                .to_owned()
        };
        Printed {
            pages: field("Pages:").parse().unwrap(),
            size: field("Page size:"),
            text: output(&self.pdftotext, &[&pdf, Path::new("-")]),
            words: words(&output(
                &self.pdftotext,
                &[Path::new("-bbox"), &pdf, Path::new("-")],
            )),
        }
    }

    /// How much of the window is neither its brightest colour nor near it, from 0 to 1.
    pub(super) fn ink_on_screen(&self, page: &Path) -> f64 {
        let picture = page.with_extension("png");
        self.browse(
            page,
            &[
                &format!("--screenshot={}", picture.display()),
                "--window-size=1000,1400",
            ],
        );
        self.keep(page);
        let grey = brightness(&fs::read(&picture).unwrap());
        let dark = grey.iter().filter(|value| **value < 128).count();
        dark as f64 / grey.len() as f64
    }

    /// Copies what was made of a page to where a person can look at it, if `GOBAG_PAGES` names a folder.
    pub(super) fn keep(&self, page: &Path) {
        let Some(folder) = env::var_os("GOBAG_PAGES").map(PathBuf::from) else {
            return;
        };
        fs::create_dir_all(&folder).unwrap();
        for end in ["html", "pdf", "png"] {
            let made = page.with_extension(end);
            if made.exists() {
                fs::copy(&made, folder.join(made.file_name().unwrap())).unwrap();
            }
        }
    }

    /// Opens a page from the disk in a browser that is new to the world.
    fn browse(&self, page: &Path, what: &[&str]) {
        let home = TempDir::new().unwrap();
        let profile = format!("--user-data-dir={}", home.path().join("profile").display());
        let address = format!("file://{}", page.display());
        Run::new(&self.program)
            .env("HOME", home.path())
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", profile.as_str()])
            .args(what)
            .arg(address)
            .deadline(DEADLINE)
            .success()
            .unwrap();
    }
}

/// The words and their heights in what `pdftotext -bbox` writes: `<word xMin="…" yMin="…" xMax="…" yMax="…">word</word>`.
fn words(boxes: &str) -> Vec<(String, f64)> {
    let lines = boxes
        .lines()
        .filter_map(|line| line.trim().strip_prefix("<word "));
    let read = |line: &str| {
        let number = |name: &str| line.split_once(name)?.1.split('"').nth(1)?.parse::<f64>().ok();
        let word = line.split_once('>')?.1.strip_suffix("</word>")?;
        Some((word.to_owned(), number("yMax")? - number("yMin")?))
    };
    lines.filter_map(read).collect()
}

fn output(program: &Path, args: &[&Path]) -> String {
    let ran = Run::new(program).args(args).deadline(DEADLINE).success().unwrap();
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// The brightness of every point of a PNG with 8 bits per colour, as Chromium writes them.
fn brightness(png: &[u8]) -> Vec<u8> {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let (width, depth, colours) = (number(16), png[24], png[25]);
    assert_eq!((depth, png[28]), (8, 0), "8 bits, not interlaced");
    let bytes = match colours {
        2 => 3,
        6 => 4,
        other => panic!("colour type {other}"),
    };
    let (mut at, mut packed) = (8, Vec::new());
    while at < png.len() {
        let len = number(at);
        if &png[at + 4..at + 8] == b"IDAT" {
            packed.extend_from_slice(&png[at + 8..at + 8 + len]);
        }
        at += len + 12;
    }
    let mut raw = Vec::new();
    ZlibDecoder::new(&packed[..]).read_to_end(&mut raw).unwrap();
    let mut above = vec![0_u8; width * bytes];
    let mut grey = Vec::new();
    for row in raw.chunks_exact(width * bytes + 1) {
        let mut line = row[1..].to_vec();
        for place in 0..line.len() {
            let left = if place < bytes { 0 } else { line[place - bytes] };
            let corner = if place < bytes { 0 } else { above[place - bytes] };
            let guess = match row[0] {
                0 => 0,
                1 => left,
                2 => above[place],
                3 => u8::midpoint(left, above[place]),
                _ => nearest(left, above[place], corner),
            };
            line[place] = line[place].wrapping_add(guess);
        }
        grey.extend(
            line.chunks_exact(bytes)
                .map(|point| point[..3].iter().copied().max().unwrap()),
        );
        above = line;
    }
    grey
}

/// PNG's own predictor, after Paeth.
fn nearest(left: u8, above: u8, corner: u8) -> u8 {
    let guess = i32::from(left) + i32::from(above) - i32::from(corner);
    let far = |value: u8| (guess - i32::from(value)).abs();
    if far(left) <= far(above) && far(left) <= far(corner) {
        left
    } else if far(above) <= far(corner) {
        above
    } else {
        corner
    }
}
