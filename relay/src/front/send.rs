//! Bytes of a file to a socket, without a copy through this process.

use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Bytes of a file between two looks whether they are in memory.
const WINDOW_BYTES: u64 = 1 << 20;

/// Sends a part of a file; `progress` is called whenever the host has taken something.
pub(super) async fn file(
    stream: &TcpStream,
    file: &Arc<File>,
    start: u64,
    end: u64,
    progress: impl Fn(u64),
) -> io::Result<()> {
    let mut at = start;
    while at < end {
        let until = (at + WINDOW_BYTES).min(end);
        if !is_in_memory(file, at, until) {
            read_ahead(file.clone(), at, until).await?;
        }
        while at < until {
            let wanted = usize::try_from(until - at).unwrap_or(usize::MAX);
            let sent = stream
                .async_io(Interest::WRITABLE, || {
                    let mut offset = at;
                    Ok(rustix::fs::sendfile(
                        stream,
                        &**file,
                        Some(&mut offset),
                        wanted,
                    )?)
                })
                .await?;
            if sent == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            at += sent as u64;
            progress(sent as u64);
        }
    }
    Ok(())
}

/// Whether a window can be read without a wait for the disk, judged by its ends. A file system that cannot tell counts as memory.
fn is_in_memory(file: &File, start: u64, end: u64) -> bool {
    let mut byte = [0];
    [end - 1, start].into_iter().all(|at| {
        let mut into = [IoSliceMut::new(&mut byte)];
        !matches!(
            preadv2(file, &mut into, at, ReadWriteFlags::NOWAIT),
            Err(Errno::AGAIN)
        )
    })
}

/// Reads a window where a wait for the disk holds nobody up.
async fn read_ahead(file: Arc<File>, start: u64, end: u64) -> io::Result<()> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut chunk = vec![0; 128 * 1024];
        let mut at = start;
        while at < end {
            let size = usize::try_from(end - at)
                .unwrap_or(usize::MAX)
                .min(chunk.len());
            match file.read_at(&mut chunk[..size], at)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => at += read as u64,
            }
        }
        Ok(())
    });
    reading.await.map_err(io::Error::other)?
}
