//! Numbers that are the same each time.

pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// splitmix64: seeds beside each other have nothing in common.
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        drawn ^ (drawn >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        out.fill_with(|| self.draw() as u8);
    }
}

/// How many: what `GOBAG_LONG` says, or `few`.
pub(crate) fn long(few: u64) -> u64 {
    let long = std::env::var("GOBAG_LONG");
    long.ok().and_then(|many| many.parse().ok()).unwrap_or(few)
}
