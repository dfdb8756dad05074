//! The time stamp counter.

/// Reads the time stamp counter: the clock of everything live.
#[inline]
pub fn rdtsc() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and it touches no memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Tells the processor that this is a spin loop.
#[inline]
pub fn pause() {
    core::hint::spin_loop();
}
