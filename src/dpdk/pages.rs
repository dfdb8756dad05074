//! Large pages for memory that is not from hugepages.
//!
//! The kernel makes them on request where they are left to `madvise`, as most distributions have it; where
//! they are off, everything stays as it was.
//!
//! - takes: memory of packets, as EAL has taken it without hugepages, and large tables
//! - gives: the same with a page of 2 MiB where there were 512
//! - costs: nothing later; a table touched here and there takes more memory

use std::{
    ffi::c_void,
    fs::File,
    io,
    ops::Range,
    os::{raw::c_int, unix::fs::FileExt},
    ptr::{self, NonNull},
};

use bytemuck::Zeroable;
use dpdk_sys as sys;
use rustix::{
    mm::{Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap_fixed, munmap},
    param::page_size,
};

/// Asks for large pages for a table that has not been touched yet, if it is large enough for any.
pub fn prefer_large<T>(table: &[T]) {
    let (at, end) = (table.as_ptr().addr(), table.as_ptr().addr() + size_of_val(table));
    let first = at.next_multiple_of(page_size());
    if end >= first + LARGE {
        let inside = table.as_ptr().cast_mut().cast::<u8>().wrapping_add(first - at);
        // SAFETY: the range lies within the table; what is in it does not change.
        let _ = unsafe { madvise(inside.cast(), end - first, Advice::LinuxHugepage) };
    }
}

/// Zeros for a table, in large pages where there may be any.
pub fn zeroed<T: Zeroable>(len: usize) -> Box<[T]> {
    let table: Box<[T]> = bytemuck::zeroed_slice_box(len);
    prefer_large(&table);
    table
}

/// Where a table is that another thread fills.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    at: usize,
    item: usize,
    items: usize,
}

impl Stretch {
    /// Of a table as it is.
    pub fn of<T>(table: &[T]) -> Self {
        Self { at: table.as_ptr().addr(), item: size_of::<T>(), items: table.len() }
    }

    /// Of all that a table has room for.
    pub fn of_room<T>(table: &Vec<T>) -> Self {
        Self { at: table.as_ptr().addr(), item: size_of::<T>(), items: table.capacity() }
    }

    /// Number of items.
    pub const fn items(&self) -> usize {
        self.items
    }

    /// Takes the memory of some items from the kernel, so that who first writes there need not wait until a
    /// large page has been found and cleared. What stands there stays. Before Linux 5.14 it does nothing.
    pub fn make_ready(&self, items: Range<usize>) {
        let size = page_size();
        let begin = (self.at + items.start.min(self.items) * self.item) / size * size;
        let end = (self.at + items.end.min(self.items) * self.item).next_multiple_of(size);
        if begin < end {
            // SAFETY: pages come to be there, whoever has them; what is in them does not change.
            let _ = unsafe {
                madvise(ptr::without_provenance_mut(begin), end - begin, Advice::LinuxPopulateWrite)
            };
        }
    }
}

/// An item of a table that begins at a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub struct Line<T>(pub T);

// SAFETY: zeros are a value of what is in it, and there is nothing else in it but room.
unsafe impl<T: Zeroable> Zeroable for Line<T> {}

/// Bytes of a large page.
pub const LARGE: usize = 2 << 20;

/// Ranges of memory that EAL manages.
fn packet_memory() -> Vec<(NonNull<c_void>, usize)> {
    unsafe extern "C" fn note(list: *const sys::rte_memseg_list, into: *mut c_void) -> c_int {
        // SAFETY: EAL hands a list that lives for the call, and back what it was given below.
        let (list, into) = unsafe { (&*list, &mut *into.cast::<Vec<(NonNull<c_void>, usize)>>()) };
        // SAFETY: both members of the union are the one address.
        if let Some(base) = NonNull::new(unsafe { list.__bindgen_anon_1.base_va })
            && list.external == 0
        {
            into.push((base, list.len));
        }
        0
    }
    let mut ranges: Vec<(NonNull<c_void>, usize)> = Vec::new();
    // SAFETY: `note` gets the vector, which outlives the call.
    unsafe { sys::rte_memseg_list_walk(Some(note), (&raw mut ranges).cast()) };
    ranges
}

/// Lets large pages take the place of those that EAL has taken without hugepages, which are of a kind that
/// the kernel joins only where an administrator asks for it.
///
/// For the start of EAL alone: nobody else may write to the memory, and no device may know it yet.
///
/// # Errors
/// When the kernel refuses. Nothing has changed then, but for ranges before.
pub(super) fn join() -> io::Result<()> {
    for (base, len) in packet_memory() {
        // SAFETY: a mapping of its own, which is nobody's yet.
        let fresh = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )?
        };
        let moved = fill(base, len, fresh).and_then(|()| {
            // SAFETY: what is at `base` is in the fresh mapping as well, which takes its place whole.
            unsafe { mremap_fixed(fresh, len, len, MremapFlags::MAYMOVE, base.as_ptr())? };
            Ok(())
        });
        if let Err(error) = moved {
            // SAFETY: the mapping was made above, and has not moved.
            let _ = unsafe { munmap(fresh, len) };
            return Err(error);
        }
        // SAFETY: what is in the range does not change.
        let _ = unsafe { madvise(base.as_ptr(), len, Advice::LinuxHugepage) };
    }
    Ok(())
}

/// Copies the pages of a range that have been touched.
fn fill(base: NonNull<c_void>, len: usize, into: *mut c_void) -> io::Result<()> {
    // A page that is in memory, or swapped out.
    const TOUCHED: u64 = 0b11 << 62;
    let size = page_size();
    let mut map = vec![0; len / size * size_of::<u64>()];
    let first = base.as_ptr().addr() / size * size_of::<u64>();
    File::open("/proc/self/pagemap")?.read_exact_at(&mut map, first as u64)?;
    for (page, entry) in map.as_chunks().0.iter().enumerate() {
        if u64::from_ne_bytes(*entry) & TOUCHED != 0 {
            let (from, to) = (base.as_ptr().cast::<u8>(), into.cast::<u8>());
            // SAFETY: both ranges are `len` bytes long, and apart from each other.
            unsafe { ptr::copy_nonoverlapping(from.add(page * size), to.add(page * size), size) };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dpdk::{
        eal::{Eal, EalOptions, Huge},
        mbuf::Burst,
        mempool::Pool,
    };

    fn start(shares: bool) -> Eal {
        let options = EalOptions {
            prefix: format!("pages-{shares}"),
            huge: Huge::Never,
            in_memory: true,
            shares,
            memory_mib: Some(64),
            ..EalOptions::default()
        };
        Eal::start(&options).unwrap()
    }

    /// Which of the kernel's mappings holds the first byte that EAL manages.
    fn mapping() -> String {
        let (base, _) = packet_memory()[0];
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let holds = |line: &&str| {
            let (range, _) = line.split_once(' ').unwrap();
            let (from, to) = range.split_once('-').unwrap();
            let end = |text| usize::from_str_radix(text, 16).unwrap();
            (end(from)..end(to)).contains(&base.as_ptr().addr())
        };
        maps.lines().find(holds).unwrap().to_owned()
    }

    #[test]
    fn packet_memory_moves_out_of_its_file_and_keeps_what_is_in_it() {
        let eal = start(false);
        assert!(eal.notes().is_empty(), "{:?}", eal.notes());
        assert!(!mapping().contains("memfd"), "{}", mapping());
        // EAL's own heap is in the memory: it would not give any more without it.
        let pool = Pool::packed("pages", 1023, 0, 2176, -1).unwrap();
        let mut burst = Burst::new();
        assert!(pool.alloc_bulk(&mut burst, 64));
        let mut at: Vec<usize> = burst.iter().map(|packet| packet.data().as_ptr().addr()).collect();
        at.sort_unstable();
        let apart = at.windows(2).map(|pair| pair[1] - pair[0]).min();
        assert!(apart.is_some_and(|apart| apart < page_size()), "{apart:?}");
    }

    #[test]
    fn memory_that_is_shared_stays_in_its_file_and_buffers_on_pages_of_their_own() {
        let _eal = start(true);
        assert!(mapping().contains("memfd"), "{}", mapping());
        let pool = Pool::new("pages", 1023, 0, 2176, -1).unwrap();
        let mut burst = Burst::new();
        assert!(pool.alloc_bulk(&mut burst, 64));
        let mut pages: Vec<usize> =
            burst.iter().map(|packet| packet.data().as_ptr().addr() / page_size()).collect();
        pages.sort_unstable();
        pages.dedup();
        assert_eq!(pages.len(), 64);
    }

    /// How often this thread has waited for a page.
    fn faults() -> u64 {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, after) = stat.rsplit_once(')').unwrap();
        after.split_whitespace().nth(7).unwrap().parse().unwrap()
    }

    #[test]
    fn who_writes_where_it_is_ready_waits_for_no_page() {
        let mut table: Vec<u64> = Vec::with_capacity(2 * LARGE);
        table.push(7);
        let stretch = Stretch::of_room(&table);
        let ready = LARGE;
        std::thread::spawn(move || stretch.make_ready(0..ready)).join().unwrap();
        let before = faults();
        table.resize(ready, 1);
        let waited = faults() - before;
        assert!(waited < 16, "{waited} page faults");
        assert_eq!((table[0], table[1]), (7, 1), "what was there is there");
        // What lies outside is cut off.
        stretch.make_ready(ready..usize::MAX / 16);
        let before = faults();
        table.resize(2 * LARGE, 1);
        assert!(faults() - before < 16);
    }

    #[test]
    fn tables_are_zero_whatever_their_size() {
        for len in [0, 1, 4096, LARGE, 3 * LARGE + 5] {
            let table = zeroed::<u8>(len);
            assert!(table.len() == len && table.iter().all(|byte| *byte == 0));
        }
    }
}
