//! One host's connection: requests one after the other, answers in their order.

use super::Front;
use super::answer::{self, About, Then};
use super::request::{MAX_HEAD_BYTES, Read, Request, read};
use super::send;
use crate::cache::Reply;
use crate::cache::fill::Fill;
use crate::cache::hot::{Hot, HotBody};
use crate::counters::add;
use bytes::{Buf, BytesMut};
use netpatch_protocol::site::PayloadRequest;
use netpatch_relay_core::{ByteRange, Validators};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A body up to this size is written together with its head, and answers to requests that came together up to this size at once.
const TOGETHER_BYTES: usize = 32 * 1024;
/// A host that was refused may go on sending what nobody reads for so long, so that it sees why.
const LINGER: Duration = Duration::from_secs(2);

/// Answers until the host or the front has enough.
pub(super) async fn run(front: &Front, stream: TcpStream, alive: &AtomicU64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut connection = Connection {
        front,
        stream,
        alive,
        out: Vec::with_capacity(8 * 1024),
        date: (u64::MAX, String::new()),
    };
    let mut input = BytesMut::with_capacity(4 * 1024);
    loop {
        match read(&input) {
            Read::More => {
                connection.flush().await?;
                if input.capacity() - input.len() < 1024 {
                    input.reserve(4 * 1024);
                }
                if connection.stream.read_buf(&mut input).await? == 0 {
                    return Ok(());
                }
            }
            Read::Request(size, request) => {
                connection.get_on();
                let goes_on = connection.answer(&request).await?;
                input.advance(size);
                if !goes_on {
                    connection.flush().await?;
                    return connection.stream.shutdown().await;
                }
                if connection.out.len() > TOGETHER_BYTES {
                    connection.flush().await?;
                }
            }
            Read::Refused(refusal) => {
                let date = connection.date();
                let (status, text) = (refusal.status, refusal.text);
                answer::text(&mut connection.out, status, text, false, Then::Close, &date);
                connection.flush().await?;
                return linger(connection.stream).await;
            }
        }
    }
}

/// Tells a host that there are too many, if that can be told at once.
pub(super) fn turn_away(stream: &TcpStream) {
    let _ = stream.try_write(
        b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n",
    );
}

/// Closes so that the host gets the answer: bytes that lie unread at the close would take it away.
async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 4 * 1024];
    let reading = async {
        let mut left = 64 * MAX_HEAD_BYTES;
        while left > 0 {
            match stream.read(&mut rest).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        Ok(())
    };
    tokio::time::timeout(LINGER, reading)
        .await
        .unwrap_or(Ok(()))
}

struct Connection<'a> {
    front: &'a Front,
    stream: TcpStream,
    alive: &'a AtomicU64,
    /// Written at the next flush.
    out: Vec<u8>,
    /// The date as it is written, and in which second that was.
    date: (u64, String),
}

impl Connection<'_> {
    /// Whether the connection goes on.
    async fn answer(&mut self, request: &Request<'_>) -> io::Result<bool> {
        let then = match (request.keeps_alive, request.is_old) {
            (true, false) => Then::Keep,
            (true, true) => Then::KeepOld,
            (false, _) => Then::Close,
        };
        if !self.front.is_allowed() {
            let why = "the site does not let its relays serve hosts without an agent; its administrator can allow it in the portal";
            self.say(403, why, request, then);
        } else if let Some(hot) = self.front.cache.find_hot(request.url) {
            self.answer_hot(&hot, request, then).await?;
        } else {
            self.answer_asked(request, then).await?;
        }
        Ok(then != Then::Close)
    }

    async fn answer_hot(&mut self, hot: &Hot, request: &Request<'_>, then: Then) -> io::Result<()> {
        let entry = &hot.entry;
        if entry
            .validators
            .matches(request.if_none_match, request.if_modified_since)
        {
            let date = self.date();
            answer::unchanged(&mut self.out, &entry.validators, then, &date);
            return Ok(());
        }
        let about = About {
            validators: &entry.validators,
            content_type: &entry.content_type,
            from_cache: true,
        };
        let Some(range) = self.begin(about, entry.size_bytes, request, then) else {
            return Ok(());
        };
        match &hot.body {
            HotBody::Memory(bytes) => {
                let part = usize::try_from(range.start)
                    .ok()
                    .zip(usize::try_from(range.end).ok())
                    .and_then(|(start, end)| bytes.get(start..end))
                    .unwrap_or_default();
                self.send_bytes(part).await
            }
            HotBody::File(file, _) => self.send_file(file, range.start, range.end).await,
        }
    }

    async fn answer_asked(&mut self, request: &Request<'_>, then: Then) -> io::Result<()> {
        let cache = self.front.cache.clone();
        let epoch = cache.epoch();
        let Some((repository, path)) = cache.locate(request.url) else {
            self.say(
                403,
                "this repository is not one of the site's",
                request,
                then,
            );
            return Ok(());
        };
        // Earlier answers must not wait for this one.
        self.flush().await?;
        let wanted = PayloadRequest {
            repository,
            path,
            if_none_match: request.if_none_match.to_owned(),
            if_modified_since: request.if_modified_since.to_owned(),
            ..PayloadRequest::default()
        };
        self.wait();
        let reply = cache.respond(&wanted).await;
        self.get_on();
        match reply {
            Reply::Status(status, text) => {
                let status = u16::try_from(status).unwrap_or(502);
                self.say(status, &text, request, then);
                Ok(())
            }
            Reply::Unchanged(validators) => {
                let date = self.date();
                answer::unchanged(&mut self.out, &validators, then, &date);
                Ok(())
            }
            Reply::Held {
                entry,
                file,
                range,
                from_cache,
            } => {
                cache.keep_hot(request.url, &entry, &file, epoch);
                let about = About {
                    validators: &entry.validators,
                    content_type: &entry.content_type,
                    from_cache,
                };
                match self.begin(about, range.total, request, then) {
                    Some(range) => self.send_file(&file, range.start, range.end).await,
                    None => Ok(()),
                }
            }
            Reply::Arriving { fill, head, range } => {
                let about = About {
                    validators: &head.validators,
                    content_type: &head.content_type,
                    from_cache: false,
                };
                match self.begin(about, range.total, request, then) {
                    Some(range) => self.send_growing(&fill, range).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// The head of an answer with bytes; which bytes follow, if any do.
    fn begin(
        &mut self,
        about: About<'_>,
        total: u64,
        request: &Request<'_>,
        then: Then,
    ) -> Option<ByteRange> {
        let date = self.date();
        let whole = ByteRange {
            start: 0,
            end: total,
            total,
        };
        let wanted = match is_for(request.if_range, about.validators) {
            true => ByteRange::of_header(request.range, total),
            false => Ok(None),
        };
        match wanted {
            Ok(range) => {
                let range = range.unwrap_or(whole);
                answer::found(&mut self.out, about, range, then, &date);
                (!request.is_head && range.size_bytes() > 0).then_some(range)
            }
            Err(_) => {
                answer::not_satisfiable(&mut self.out, total, then, &date);
                None
            }
        }
    }

    fn say(&mut self, status: u16, text: &str, request: &Request<'_>, then: Then) {
        let date = self.date();
        answer::text(&mut self.out, status, text, request.is_head, then, &date);
    }

    async fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        add(
            &self.front.cache.counters().bytes_served,
            bytes.len() as u64,
        );
        if bytes.len() <= TOGETHER_BYTES {
            self.out.extend_from_slice(bytes);
            return Ok(());
        }
        let mut both = Buf::chain(&*self.out, bytes);
        while both.has_remaining() {
            let sent = self.stream.write_buf(&mut both).await?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.alive
                .store(self.front.tick.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.out.clear();
        Ok(())
    }

    async fn send_file(&mut self, file: &Arc<File>, start: u64, end: u64) -> io::Result<()> {
        self.flush().await?;
        let counters = self.front.cache.counters();
        let progress = |sent| {
            add(&counters.bytes_served, sent);
            self.alive
                .store(self.front.tick.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        send::file(&self.stream, file, start, end, progress).await
    }

    async fn send_growing(&mut self, fill: &Fill, range: ByteRange) -> io::Result<()> {
        self.flush().await?;
        let mut at = range.start;
        while at < range.end {
            self.wait();
            let (file, written, complete) = fill
                .available(at)
                .await
                .map_err(|(_, message)| io::Error::other(message))?;
            self.get_on();
            let end = written.min(range.end);
            if complete && end <= at {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.send_file(&file, at, end).await?;
            at = end.max(at);
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        self.get_on();
        Ok(())
    }

    fn get_on(&self) {
        self.alive
            .store(self.front.tick.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The host waits for us, which has a limit of its own.
    fn wait(&self) {
        self.alive.store(u64::MAX, Ordering::Relaxed);
    }

    /// The date of an answer, made at most once a second.
    fn date(&mut self) -> String {
        let tick = self.front.tick.load(Ordering::Relaxed);
        if self.date.0 != tick {
            let now = self.front.cache.clock().now();
            self.date = (tick, now.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        }
        self.date.1.clone()
    }
}

/// Whether a part of this version is what the host wants (RFC 9110, 13.1.5): a weak tag never says so.
fn is_for(if_range: &str, validators: &Validators) -> bool {
    if_range.is_empty()
        || (if_range.starts_with('"') && if_range == validators.etag)
        || (!if_range.contains('"') && if_range == validators.last_modified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_for_a_host_that_certainly_has_the_same_version() {
        let of = |etag: &str, date: &str| Validators {
            etag: etag.into(),
            last_modified: date.into(),
        };
        assert!(is_for("", &of("\"a\"", "d")));
        assert!(is_for("\"a\"", &of("\"a\"", "d")));
        assert!(is_for("d", &of("\"a\"", "d")));
        assert!(!is_for("\"b\"", &of("\"a\"", "d")));
        assert!(!is_for("W/\"a\"", &of("W/\"a\"", "d")));
        assert!(!is_for("\"a\"", &of("W/\"a\"", "d")));
        assert!(!is_for("e", &of("\"a\"", "d")));
    }
}
