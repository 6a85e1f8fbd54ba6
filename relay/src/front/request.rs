//! Reading a request, strictly: what two readers could understand differently is refused.

use httparse::{EMPTY_HEADER, Status};

/// Bytes of a request.
pub(super) const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Header fields of a request.
const MAX_FIELDS: usize = 64;

/// A request for a payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request<'a> {
    /// `HEAD`: the answer has no body.
    pub(super) is_head: bool,
    /// Absolute URL.
    pub(super) url: &'a str,
    /// Whether more requests may come on the connection.
    pub(super) keeps_alive: bool,
    /// HTTP/1.0: it has to be told that the connection is kept.
    pub(super) is_old: bool,
    /// `If-None-Match`; like the others empty when absent.
    pub(super) if_none_match: &'a str,
    /// `If-Modified-Since`.
    pub(super) if_modified_since: &'a str,
    /// `Range`.
    pub(super) range: &'a str,
    /// `If-Range`.
    pub(super) if_range: &'a str,
}

/// A request that is not answered; the connection is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) text: &'static str,
}

/// What is in the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    /// No whole request.
    More,
    /// One, and how many bytes it has.
    Request(usize, Request<'a>),
    /// One that is refused.
    Refused(Refusal),
}

const fn refuse<'a>(status: u16, text: &'static str) -> Read<'a> {
    Read::Refused(Refusal { status, text })
}

/// Reads the first request.
pub(super) fn read(bytes: &[u8]) -> Read<'_> {
    let mut fields = [EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let size = match parsed.parse(bytes) {
        Ok(Status::Complete(size)) if size <= MAX_HEAD_BYTES => size,
        Ok(Status::Partial) if bytes.len() < MAX_HEAD_BYTES => return Read::More,
        Ok(_) => return refuse(431, "the request's head has more than 16 KiB"),
        Err(httparse::Error::TooManyHeaders) => {
            return refuse(431, "the request has more than 64 header fields");
        }
        Err(_) => return refuse(400, "this is not an HTTP/1.1 request"),
    };
    let (Some(method), Some(url), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return refuse(400, "this is not an HTTP/1.1 request");
    };
    let is_head = match method {
        "GET" => false,
        "HEAD" => true,
        "CONNECT" => {
            return refuse(
                405,
                "CONNECT is refused: this cache does not pass on what it cannot read; write the repository with http:// and the relay fetches it with https from where the site says",
            );
        }
        _ => return refuse(405, "only GET and HEAD are answered"),
    };
    let mut request = Request {
        is_head,
        url,
        keeps_alive: version == 1,
        is_old: version == 0,
        if_none_match: "",
        if_modified_since: "",
        range: "",
        if_range: "",
    };
    match fill(&mut request, parsed.headers) {
        Ok(()) => Read::Request(size, request),
        Err(refusal) => Read::Refused(refusal),
    }
}

fn fill<'a>(request: &mut Request<'a>, fields: &[httparse::Header<'a>]) -> Result<(), Refusal> {
    let fail = |status, text| Err(Refusal { status, text });
    let mut host = None;
    let mut has_length = false;
    for field in fields {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name);
        // Only names of these lengths are looked at: most fields are passed over by one comparison.
        let known = match field.name.len() {
            4 if is("host") => Known::Host,
            5 if is("range") => Known::Range,
            8 if is("if-range") => Known::IfRange,
            10 if is("connection") => Known::Connection,
            13 if is("if-none-match") => Known::IfNoneMatch,
            14 if is("content-length") => Known::ContentLength,
            17 if is("if-modified-since") => Known::IfModifiedSince,
            17 if is("transfer-encoding") => {
                return fail(400, "a request with a body is refused");
            }
            _ => continue,
        };
        let Ok(value) = std::str::from_utf8(field.value) else {
            return fail(400, "a header field is not text");
        };
        let value = value.trim_matches([' ', '\t']);
        let slot = match known {
            Known::Host => {
                if host.replace(value).is_some() {
                    return fail(400, "the request has two Host fields");
                }
                continue;
            }
            Known::ContentLength => {
                if has_length || value != "0" {
                    return fail(400, "a request with a body is refused");
                }
                has_length = true;
                continue;
            }
            Known::Connection => {
                for token in value.split(',').map(str::trim) {
                    if token.eq_ignore_ascii_case("close") {
                        request.keeps_alive = false;
                    } else if request.is_old && token.eq_ignore_ascii_case("keep-alive") {
                        request.keeps_alive = true;
                    }
                }
                continue;
            }
            Known::Range => &mut request.range,
            Known::IfRange => &mut request.if_range,
            Known::IfNoneMatch => &mut request.if_none_match,
            Known::IfModifiedSince => &mut request.if_modified_since,
        };
        if !slot.is_empty() {
            return fail(400, "a header field stands twice in the request");
        }
        *slot = value;
    }
    let Some((_, rest)) = request.url.split_once("://") else {
        return fail(
            400,
            "this is a proxy for package managers: set it as http_proxy, or as Acquire::http::Proxy of apt",
        );
    };
    let authority = rest.split('/').next().unwrap_or_default();
    match host {
        Some(host) if host.eq_ignore_ascii_case(authority) => Ok(()),
        Some(_) => fail(400, "Host names another host than the request"),
        None if request.is_old => Ok(()),
        None => fail(400, "the request has no Host field"),
    }
}

enum Known {
    Host,
    Range,
    IfRange,
    Connection,
    IfNoneMatch,
    ContentLength,
    IfModifiedSince,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const URL: &str = "http://deb.example/debian/a";

    fn with(fields: &str) -> String {
        format!("GET {URL} HTTP/1.1\r\nHost: deb.example\r\n{fields}\r\n")
    }

    fn status(text: &str) -> u16 {
        match read(text.as_bytes()) {
            Read::Refused(refusal) => refusal.status,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_when_it_is_whole() {
        let text = with(
            "Range: bytes=1-\r\nIF-range: \"a\"\r\nIf-None-Match: \"b\"\r\nIf-Modified-Since: then\r\nContent-Length: 0\r\n",
        );
        let more = format!("{text}GET");
        let Read::Request(size, request) = read(more.as_bytes()) else {
            panic!("not whole");
        };
        assert_eq!(size, text.len());
        let expected = Request {
            is_head: false,
            url: URL,
            keeps_alive: true,
            is_old: false,
            if_none_match: "\"b\"",
            if_modified_since: "then",
            range: "bytes=1-",
            if_range: "\"a\"",
        };
        assert_eq!(request, expected);
        for cut in 0..text.len() {
            assert_eq!(read(&text.as_bytes()[..cut]), Read::More, "{cut}");
        }
    }

    #[test]
    fn a_connection_is_kept_as_the_version_says_unless_the_request_says_otherwise() {
        let keeps = |text: &str| match read(text.as_bytes()) {
            Read::Request(_, request) => request.keeps_alive,
            other => panic!("{other:?}"),
        };
        assert!(keeps(&with("")));
        assert!(!keeps(&with("Connection: te, Close\r\n")));
        assert!(!keeps(&format!("GET {URL} HTTP/1.0\r\n\r\n")));
        assert!(keeps(&format!(
            "HEAD {URL} HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
        )));
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        for fields in [
            "Host: deb.example\r\n",
            "Content-Length: 5\r\n",
            "Content-Length: 0\r\nContent-Length: 0\r\n",
            "Content-Length: +0\r\n",
            "Content-Length: \r\n",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: identity\r\nContent-Length: 0\r\n",
            "transfer-ENCODING:\tchunked\r\n",
            "Range: bytes=0-1\r\nRange: bytes=2-3\r\n",
            "Content-Length : 5\r\n",
            "X: a\r\n Transfer-Encoding: chunked\r\n",
            "X: a\0b\r\n",
            "Range: \u{fffd}\r\n\u{0}",
        ] {
            assert_eq!(status(&with(fields)), 400, "{fields:?}");
        }
        assert_eq!(status("GET http://a/b HTTP/1.1\r\nHost: c\r\n\r\n"), 400);
        assert_eq!(status("GET http://a/b HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("GET /b HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
        assert_eq!(status("GET http://a/b HTTP/2.0\r\nHost: a\r\n\r\n"), 400);
        assert_eq!(status("GET http://a/b c HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
        assert_eq!(status("\x16\x03\x01\x02\0\x01"), 400);
    }

    #[test]
    fn methods_that_change_or_tunnel_are_refused_in_words() {
        let connect = read(b"CONNECT deb.example:443 HTTP/1.1\r\nHost: deb.example:443\r\n\r\n");
        let Read::Refused(refusal) = connect else {
            panic!("{connect:?}");
        };
        assert_eq!(refusal.status, 405);
        assert!(refusal.text.contains("http://"), "{}", refusal.text);
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PURGE", "get"] {
            let text = format!("{method} {URL} HTTP/1.1\r\nHost: deb.example\r\n\r\n");
            assert_eq!(status(&text), 405, "{method}");
        }
    }

    #[test]
    fn a_head_without_end_is_refused_at_its_limit() {
        assert_eq!(status(&with(&"X: y\r\n".repeat(MAX_FIELDS))), 431);
        let long = format!("X: {}", "y".repeat(MAX_HEAD_BYTES));
        assert_eq!(status(&with(&long)), 431);
        let endless = format!("GET http://{}", "a".repeat(MAX_HEAD_BYTES));
        assert_eq!(status(&endless), 431);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }

        #[test]
        fn any_field_is_read_or_refused(name in "[A-Za-z-]{1,20}", value in ".{0,40}") {
            if let Read::Request(_, request) = read(with(&format!("{name}: {value}\r\n")).as_bytes()) {
                prop_assert_eq!(request.url, URL);
            }
        }
    }
}
