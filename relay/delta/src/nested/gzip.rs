//! GNU gzip itself: libraries write other bytes than it does. The one thing of this crate that is not computed here.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

/// Fixed header without a name and time (RFC 1952), which `-n` gives.
const HEADER: usize = 10;
const TRAILER: usize = 8;

/// The deflate data that gzip makes of a text; `None` where there is no gzip or it fails.
pub(super) fn deflate(text: &[u8], level: u32) -> Option<Vec<u8>> {
    let mut child = Command::new("gzip")
        .args(["-n", "-c", &format!("-{}", level.clamp(1, 9))])
        .env_remove("GZIP")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let out = exchange(&mut child, text);
    let is_done = child.wait().is_ok_and(|status| status.success());
    let out = out.filter(|_| is_done)?;
    let end = out.len().checked_sub(TRAILER)?;
    out.get(HEADER..end).map(<[u8]>::to_vec)
}

/// Writes and reads at once, so that neither side waits for the other.
fn exchange(child: &mut Child, text: &[u8]) -> Option<Vec<u8>> {
    let (mut stdin, mut stdout) = (child.stdin.take()?, child.stdout.take()?);
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || stdin.write_all(text));
        let mut out = Vec::new();
        let read = stdout.read_to_end(&mut out);
        let is_written = writing.join().is_ok_and(|written| written.is_ok());
        (read.is_ok() && is_written).then_some(out)
    })
}
