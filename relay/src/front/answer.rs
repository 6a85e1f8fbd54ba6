//! Heads of answers.

use netpatch_relay_core::{ByteRange, Validators};
use std::io::Write as _;

/// How the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// More requests may come.
    Keep,
    /// The same, to a host that has to be told.
    KeepOld,
    /// It is closed.
    Close,
}

/// What an answer says of a payload.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) validators: &'a Validators,
    pub(super) content_type: &'a str,
    /// Whether the payload was held before it was asked for.
    pub(super) from_cache: bool,
}

/// An answer with bytes of a payload: all, or a part.
pub(super) fn found(out: &mut Vec<u8>, about: About<'_>, range: ByteRange, then: Then, date: &str) {
    begin(out, if range.is_whole() { 200 } else { 206 }, then, date);
    number(out, "Content-Length", range.size_bytes());
    if !range.is_whole() {
        let _ = write!(
            out,
            "Content-Range: bytes {}-{}/{}\r\n",
            range.start,
            range.end - 1,
            range.total
        );
    }
    field(out, "Content-Type", about.content_type);
    versions(out, about.validators);
    field(out, "Accept-Ranges", "bytes");
    field(
        out,
        "X-Cache",
        if about.from_cache { "HIT" } else { "MISS" },
    );
    out.extend_from_slice(b"\r\n");
}

/// The host's version is the current one.
pub(super) fn unchanged(out: &mut Vec<u8>, validators: &Validators, then: Then, date: &str) {
    begin(out, 304, then, date);
    versions(out, validators);
    out.extend_from_slice(b"\r\n");
}

/// A part that the payload does not have.
pub(super) fn not_satisfiable(out: &mut Vec<u8>, total: u64, then: Then, date: &str) {
    begin(out, 416, then, date);
    let _ = write!(out, "Content-Range: bytes */{total}\r\n");
    number(out, "Content-Length", 0);
    out.extend_from_slice(b"\r\n");
}

/// An answer in words.
pub(super) fn text(
    out: &mut Vec<u8>,
    status: u16,
    text: &str,
    is_head: bool,
    then: Then,
    date: &str,
) {
    begin(out, status, then, date);
    if status == 405 {
        field(out, "Allow", "GET, HEAD");
    }
    number(out, "Content-Length", text.len() as u64 + 1);
    field(out, "Content-Type", "text/plain; charset=utf-8");
    out.extend_from_slice(b"\r\n");
    if !is_head {
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    }
}

fn begin(out: &mut Vec<u8>, status: u16, then: Then, date: &str) {
    let reason = match status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        507 => "Insufficient Storage",
        _ => "Other",
    };
    let _ = write!(out, "HTTP/1.1 {status} {reason}\r\n");
    field(out, "Server", "netpatch-relay");
    field(out, "Date", date);
    match then {
        Then::Keep => {}
        Then::KeepOld => field(out, "Connection", "keep-alive"),
        Then::Close => field(out, "Connection", "close"),
    }
}

fn versions(out: &mut Vec<u8>, validators: &Validators) {
    field(out, "ETag", &validators.etag);
    field(out, "Last-Modified", &validators.last_modified);
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    let _ = write!(out, "{name}: {value}\r\n");
}

/// A field; none when the value is empty, or has what no field may have (it came from an upstream).
fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    if value.is_empty() || value.bytes().any(|byte| byte.is_ascii_control()) {
        return;
    }
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_upstream_says_cannot_end_a_field() {
        let validators = Validators {
            etag: "\"a\"\r\nX: y".into(),
            last_modified: String::new(),
        };
        let about = About {
            validators: &validators,
            content_type: "text/plain",
            from_cache: true,
        };
        let mut out = Vec::new();
        let range = ByteRange {
            start: 2,
            end: 5,
            total: 9,
        };
        found(&mut out, about, range, Then::Close, "now");
        let expected = "HTTP/1.1 206 Partial Content\r\nServer: netpatch-relay\r\nDate: now\r\nConnection: close\r\nContent-Length: 3\r\nContent-Range: bytes 2-4/9\r\nContent-Type: text/plain\r\nAccept-Ranges: bytes\r\nX-Cache: HIT\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
