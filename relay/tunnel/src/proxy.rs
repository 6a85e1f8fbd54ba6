//! A customer's forward proxy: the way to the edge over TCP goes through it by CONNECT (RFC 9110, 9.3.6), with or without Basic
//! authentication (RFC 7617). The TLS inside is the same end to end, so the proxy sees ciphertext only.
//!
//! The password is in no message and in no debug output. What the proxy answers is not believed: its head is bounded in size and
//! time, and of its words only the status is told. A proxy that wants TLS to itself (`https://`) has its certificate checked before it hears
//! the password: by the CA file that was named, else by the certificates that the machine trusts.

mod connect;
mod way;

pub use way::Way;

use base64::Engine as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// Where a proxy listens whose address names no port.
const PORT: u16 = 80;
/// The same of one that wants TLS.
const TLS_PORT: u16 = 443;

/// A forward proxy. It prints without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `host:port`.
    address: String,
    /// Of Basic authentication.
    authorization: Option<String>,
    /// Whether it wants TLS to itself.
    is_secured: bool,
    /// Who may have made its certificate; nobody named: whom the machine trusts.
    authorities: Vec<CertificateDer<'static>>,
}

/// A proxy's address that cannot be used. Never says what it was: there may be a password in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// `socks5://`, …
    #[error("the proxy's address is not http://… or https://…: others are not supported")]
    Scheme,
    /// No host or no port where one belongs.
    #[error("the proxy's address is not http[s]://[USER:PASSWORD@]HOST[:PORT]")]
    Form,
    /// The file with the certificates of its authorities.
    #[error("the proxy's CA file holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    Authorities,
    /// The name or password.
    #[error(
        "the proxy's user or password is not well-formed: write what is no letter or digit as %XX"
    )]
    Credentials,
}

impl Proxy {
    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its host's name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        host_of(&self.address)
    }

    /// Whether it wants TLS to itself.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.is_secured
    }

    /// What it is shown in `Proxy-Authorization`, if it wants that. Secret.
    #[must_use]
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    /// The authorities that were named for its certificate.
    #[must_use]
    pub fn authorities(&self) -> &[CertificateDer<'static>] {
        &self.authorities
    }

    /// Whether it has a name and password to show.
    #[must_use]
    pub fn authenticates(&self) -> bool {
        self.authorization.is_some()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authenticates = self.authenticates();
        write!(f, "Proxy({}, authenticates: {authenticates})", self.address)
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    /// `http[s]://[user:password@]host[:port]`; `http://` may be left out.
    fn from_str(text: &str) -> Result<Self, ProxyError> {
        let (is_secured, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some(_) => return Err(ProxyError::Scheme),
            None => (false, text),
        };
        let port = if is_secured { TLS_PORT } else { PORT };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, host) = match rest.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, rest),
        };
        Ok(Self {
            address: host_and_port(host, port).ok_or(ProxyError::Form)?,
            authorization: user.map(authorization).transpose()?,
            is_secured,
            authorities: Vec::new(),
        })
    }
}

/// Of `host:port`, without brackets.
fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

/// With a port, if it is a host and perhaps a port.
fn host_and_port(text: &str, otherwise: u16) -> Option<String> {
    let (host, port) = match text.rsplit_once(':') {
        // The colon may be one of an address in brackets.
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (text, otherwise),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = match bare {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let ok = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !host.is_empty() && host.bytes().all(ok)
        }
    };
    (is_host && port != 0).then(|| format!("{host}:{port}"))
}

fn authorization(user: &str) -> Result<String, ProxyError> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let (name, password) = (decoded(name)?, decoded(password)?);
    // RFC 7617: a colon would end the name, and control characters are not allowed.
    let is_control = |byte: &u8| byte.is_ascii_control();
    if name.contains(&b':') || name.iter().chain(&password).any(is_control) {
        return Err(ProxyError::Credentials);
    }
    let pair = [name, b":".to_vec(), password].concat();
    let coded = base64::engine::general_purpose::STANDARD.encode(pair);
    Ok(format!("Basic {coded}"))
}

/// `%XX` as the byte that it stands for.
fn decoded(text: &str) -> Result<Vec<u8>, ProxyError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(ProxyError::Credentials);
        };
        bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    Ok(bytes)
}

/// Which proxy leads out of the site, if any, and what is reached without it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    proxy: Option<Arc<Proxy>>,
    except: Vec<String>,
}

impl Proxies {
    /// With these authorities (PEM) for the proxy's own certificate, and no others.
    pub fn with_authorities(mut self, pem: &[u8]) -> Result<Self, ProxyError> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let authorities = read.map_err(|_| ProxyError::Authorities)?;
        if authorities.is_empty() {
            return Err(ProxyError::Authorities);
        }
        if let Some(proxy) = self.proxy.take() {
            let proxy = Proxy::clone(&proxy);
            self.proxy = Some(Arc::new(Proxy {
                authorities,
                ..proxy
            }));
        }
        Ok(self)
    }

    /// Everything through this one.
    #[must_use]
    pub fn through(proxy: Proxy) -> Self {
        Self {
            proxy: Some(Arc::new(proxy)),
            except: Vec::new(),
        }
    }

    /// As `HTTPS_PROXY` and `NO_PROXY` say: names with what is below them, addresses, `*`; never for this machine itself.
    pub fn of_words(proxy: &str, except: &str) -> Result<Self, ProxyError> {
        if proxy.is_empty() {
            return Ok(Self::default());
        }
        let through = Self::through(proxy.parse()?);
        Ok(through.except(except).except("localhost 127.0.0.0/8 ::1"))
    }

    /// What is reached directly besides, as in `NO_PROXY`.
    #[must_use]
    pub fn except(mut self, words: &str) -> Self {
        let words = words.split([',', ' ']).map(|word| word.trim().to_owned());
        self.except.extend(words.filter(|word| !word.is_empty()));
        self
    }

    /// As the environment of this process says.
    pub fn of_environment() -> Result<Self, ProxyError> {
        let word = |upper: &str, lower: &str| {
            let found = std::env::var(upper).or_else(|_| std::env::var(lower));
            found.unwrap_or_default()
        };
        Self::of_words(
            &word("HTTPS_PROXY", "https_proxy"),
            &word("NO_PROXY", "no_proxy"),
        )
    }

    /// The proxy, if there is one.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_deref()
    }

    /// The proxy on the way to a host, a name or an address without port; `None` when it is reached directly.
    #[must_use]
    pub fn towards(&self, host: &str) -> Option<&Arc<Proxy>> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let excepted = self.except.iter().any(|word| covers(word, host));
        self.proxy.as_ref().filter(|_| !excepted)
    }

    /// How to reach the edge at `host:port`.
    #[must_use]
    pub fn edge(&self, address: &str) -> EdgeAddress {
        EdgeAddress {
            address: address.to_owned(),
            proxy: self.towards(host_of(address)).cloned(),
        }
    }
}

/// Whether a word of `NO_PROXY` means this host.
fn covers(word: &str, host: &str) -> bool {
    if word == "*" || word.eq_ignore_ascii_case(host) {
        return true;
    }
    let address = host.parse::<IpAddr>();
    match (word.split_once('/'), address) {
        (Some((network, bits)), Ok(address)) => is_in(network, bits, address),
        (None, Err(_)) => {
            let domain = word.trim_start_matches("*.").trim_start_matches('.');
            let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
            let below = host.strip_suffix(&domain);
            !domain.is_empty()
                && below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
        }
        _ => false,
    }
}

fn is_in(network: &str, bits: &str, address: IpAddr) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// Where the edge is, `host:port`, and through what it is reached over TCP. UDP goes past proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeAddress {
    pub(crate) address: String,
    pub(crate) proxy: Option<Arc<Proxy>>,
}

impl EdgeAddress {
    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl From<String> for EdgeAddress {
    fn from(address: String) -> Self {
        let proxy = None;
        Self { address, proxy }
    }
}

impl From<&str> for EdgeAddress {
    fn from(address: &str) -> Self {
        address.to_owned().into()
    }
}

impl fmt::Display for EdgeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)?;
        match &self.proxy {
            Some(proxy) => write!(f, " through the proxy {}", proxy.address),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(text: &str) -> Proxy {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_has_a_port_and_perhaps_a_user() {
        assert_eq!(
            proxy("http://proxy.corp:3128/").address(),
            "proxy.corp:3128"
        );
        assert_eq!(proxy("proxy.corp").address(), "proxy.corp:80");
        assert_eq!(
            proxy("HTTP://[2001:db8::1]:8080").address(),
            "[2001:db8::1]:8080"
        );
        assert_eq!(proxy("http://[2001:db8::1]").address(), "[2001:db8::1]:80");
        assert!(!proxy("http://proxy.corp").authenticates());
        let known = proxy("http://Aladdin:open%20sesame@proxy.corp:3128");
        let expected = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
        assert_eq!(known.authorization, expected);
        // An @ in the password that nobody escaped.
        assert_eq!(proxy("http://u:p@ss@proxy:1").address(), "proxy:1");
    }

    #[test]
    fn a_proxy_may_want_tls_to_itself_and_have_an_authority_of_its_own() {
        let secured = proxy("HTTPS://u:p@proxy.corp/");
        assert_eq!(secured.address(), "proxy.corp:443");
        assert!(secured.is_secured() && secured.authenticates());
        assert!(!proxy("proxy.corp:443").is_secured());
        let proxies = Proxies::through(secured);
        let key = rcgen::generate_simple_self_signed(["proxy.corp".to_owned()]).expect("made");
        let known = proxies.clone().with_authorities(key.cert.pem().as_bytes());
        let known = known.expect("an authority");
        assert_eq!(known.proxy().map(|one| one.authorities().len()), Some(1));
        for bad in [
            &b""[..],
            b"proxy.corp",
            b"-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n",
            b"\xff\xfe\x00",
        ] {
            let refused = proxies.clone().with_authorities(bad);
            assert_eq!(refused, Err(ProxyError::Authorities));
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let known = proxy("http://user:sesame@proxy.corp:3128");
        let to = Proxies::through(known.clone()).edge("edge:443");
        for text in [format!("{known:?}"), format!("{to:?}"), to.to_string()] {
            assert!(text.contains("proxy.corp:3128"), "{text}");
            assert!(
                !text.contains("sesame") && !text.contains("Basic"),
                "{text}"
            );
        }
        for bad in [
            "http://user:ses%ame@p",
            "ftp://user:sesame@p",
            "http://user:sesame@p:x",
        ] {
            let error = bad.parse::<Proxy>().expect_err("refused").to_string();
            assert!(!error.contains("sesame"), "{error}");
        }
    }

    #[test]
    fn what_is_no_address_of_a_proxy_is_refused() {
        for bad in [
            "",
            "http://",
            "http://:80",
            "p:0",
            "p:70000",
            "p:x",
            "p q:1",
            "[::1",
            "[p]:1",
            "p/path",
            "p\r\nX: y:1",
        ] {
            assert_eq!(bad.parse::<Proxy>(), Err(ProxyError::Form), "{bad}");
        }
        for bad in ["socks5://p:1", "ftp://p:1", "://p"] {
            assert_eq!(bad.parse::<Proxy>(), Err(ProxyError::Scheme), "{bad}");
        }
        for bad in [
            "u:%zz@p",
            "u:%4@p",
            "u:%0d%0aX@p",
            "u%3ax:y@p",
            "u:%\u{e9}@p",
        ] {
            assert_eq!(bad.parse::<Proxy>(), Err(ProxyError::Credentials), "{bad}");
        }
    }

    #[test]
    fn what_no_proxy_names_is_reached_directly() {
        let except = "corp.example, .lan,*.dmz,10.0.0.0/8 192.0.2.7,2001:db8::/32";
        let proxies = Proxies::of_words("http://p:1", except).expect("words");
        let direct = |address: &str| proxies.edge(address).proxy.is_none();
        for address in [
            "corp.example:443",
            "edge.CORP.example:443",
            "edge.lan:1",
            "edge.dmz:1",
            "10.1.2.3:443",
            "192.0.2.7:443",
            "[2001:db8::5]:443",
            "localhost:443",
            "127.0.0.1:443",
            "[::1]:443",
        ] {
            assert!(direct(address), "{address}");
        }
        for address in [
            "mycorp.example:443",
            "edge.example:443",
            "11.0.0.1:443",
            "[2001:db9::1]:443",
        ] {
            assert!(!direct(address), "{address}");
        }
        let all = Proxies::of_words("http://p:1", "*").expect("words");
        assert!(all.edge("edge.example:443").proxy.is_none());
        let none = Proxies::of_words("", "").expect("words");
        assert!(none.edge("edge.example:443").proxy.is_none());
        for odd in ["10.0.0.0/99", "x/8", "10.0.0.0/x", "/", "."] {
            assert!(!covers(odd, "10.0.0.1") && !covers(odd, "a.b"), "{odd}");
        }
        assert!(covers("0.0.0.0/0", "10.0.0.1"));
    }
}
