//! A hash of names.

/// FNV-1a, 64 bits (Fowler, Noll & Vo): the same in every build, as it is stored.
pub(super) struct Fnv(pub u64);

impl Fnv {
    pub fn new() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    pub fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// The heap, of two to the power of `log`, that a number is dealt into. Numbers that follow each
/// other are dealt into different ones (Fibonacci hashing: Knuth, vol. 3, §6.4).
pub fn heap(number: u64, log: u32) -> usize {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - log)) as usize
}
