//! Fuzz targets for the parsers of bytes that somebody else may have written: a finder of the stick, another program
//! on the host, whoever made the image that IT takes in, whoever sends a result or a recording in.
//!
//! A [`Target`] is a function of bytes that panics when a promise is broken: no decoder panics, none takes more memory
//! than its limit, and what was accepted says the same when it is written and read again. Most decoders stand behind a
//! seal; their targets take the plaintext, and seal it with a fixed key where that is cheap. So a fuzzer meets the
//! parser and not the cipher.
//!
//! The fuzzer is `src/main.rs` (`cargo xtask fuzz`); `tests/corpus.rs` replays what it found, on any machine.

pub mod corpus;
mod fixture;
mod targets;

pub use targets::TARGETS;

/// A parser and what it promises.
#[derive(Clone)]
pub struct Target {
    /// Its name on the command line and in `corpus/`.
    pub name: &'static str,
    /// Longest input worth trying, bytes.
    pub max_len: usize,
    /// Most memory that one input may take, bytes.
    pub max_memory: u64,
    /// Panics when a promise is broken.
    run: fn(&[u8]),
    /// Good inputs to begin with.
    seeds: fn() -> Vec<Vec<u8>>,
}

impl Target {
    /// Finds a target by its name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Gives one input to the parser.
    ///
    /// # Panics
    ///
    /// When a promise is broken.
    pub fn check(&self, input: &[u8]) {
        let memory = allocation_counter::measure(|| (self.run)(input));
        assert!(
            memory.bytes_max <= self.max_memory,
            "{} took {} bytes of memory for {} bytes of input",
            self.name,
            memory.bytes_max,
            input.len()
        );
    }

    /// Good inputs to begin with.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        (self.seeds)()
    }
}
