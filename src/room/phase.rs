//! Chance that is the same after a restart.

/// A number in [0, 1) that depends on the visitor's number alone (the finaliser of splitmix64:
/// Steele, Lea & Flood 2014): the same after a restart, unlike its neighbours'.
pub fn phase(number: u64) -> f64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    (x >> 11) as f64 / (1u64 << 53) as f64
}
