//! The allocator of every platform process.
//!
//! Ingestion makes and drops some thousand small strings for each host; the system's allocator was a third of the
//! process's time. mimalloc has free lists for each thread and page, so that what a worker drops is what it takes next.
//! Set here and not in each program, so that tests, the load generator and the programs measure the same thing.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
