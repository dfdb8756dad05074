//! Asks for memory before it is needed.

/// Asks for the cache line in which a value begins; it may be anything, as nothing is read.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    // SAFETY: prefetching has no effect on memory, whatever the address.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(
            std::ptr::from_ref(value).cast(),
        );
    }
}

/// The same of the value at `index` of a table; where there is none, nothing is lost but the time.
#[inline(always)]
pub fn prefetch_at<T>(table: &[T], index: usize) {
    // SAFETY: prefetching has no effect on memory, whatever the address.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(
            table.as_ptr().wrapping_add(index).cast(),
        );
    }
}
