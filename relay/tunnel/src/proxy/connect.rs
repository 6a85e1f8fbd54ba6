//! To the proxy, and through it.

use super::{Proxy, Way};
use crate::reach::{NEXT_ADDRESS, addresses, first_success};
use crate::tls::{TlsTime, provider};
use crate::{Limits, TunnelError, tcp, within};
use netpatch_types::SharedClock;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest head of an answer.
const HEAD_BYTES: usize = 16 * 1024;

impl Proxy {
    /// A connection to the proxy itself, over TLS if it wants that.
    pub async fn open(&self, clock: &SharedClock, limits: &Limits) -> Result<Way, TunnelError> {
        let failed = |reason: String| self.failed(reason);
        let stream = reach(self, limits)
            .await
            .map_err(|error| failed(format!("it cannot be reached: {error}")))?;
        if !self.is_secured {
            return Ok(Way::Open(stream));
        }
        let config = self.tls(clock).map_err(failed)?;
        let name = ServerName::try_from(self.host().to_owned())
            .map_err(|_| failed("its name is none that a certificate can have".into()))?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let what = "the proxy's tls handshake";
        let secured = within(limits.handshake_timeout, what, async {
            Ok(handshake.await)
        });
        match secured.await? {
            Ok(secured) => Ok(Way::Secured(Box::new(secured))),
            Err(error) => Err(failed(format!("no TLS with it: {error}"))),
        }
    }

    /// A connection through the proxy to `host:port`, whose name the proxy resolves.
    pub async fn tunnel(
        &self,
        to: &str,
        clock: &SharedClock,
        limits: &Limits,
    ) -> Result<Way, TunnelError> {
        connect(self, to, clock, limits).await
    }

    fn failed(&self, reason: String) -> TunnelError {
        TunnelError::Proxy {
            proxy: self.address.clone(),
            reason,
        }
    }

    /// Believes the authorities that were named, else those that the machine trusts.
    fn tls(&self, clock: &SharedClock) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        if self.authorities.is_empty() {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        for authority in &self.authorities {
            let added = roots.add(authority.clone());
            added.map_err(|error| format!("its CA file cannot be used: {error}"))?;
        }
        if roots.is_empty() {
            return Err("the machine trusts no certificates: install ca-certificates or name the proxy's CA file".into());
        }
        let time = Arc::new(TlsTime(clock.clone()));
        let builder = ClientConfig::builder_with_details(provider(), time)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

async fn connect(
    proxy: &Proxy,
    to: &str,
    clock: &SharedClock,
    limits: &Limits,
) -> Result<Way, TunnelError> {
    let failed = |reason: String| proxy.failed(reason);
    if to.is_empty() || !to.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(failed("what is to be reached is not host:port".into()));
    }
    let mut stream = proxy.open(clock, limits).await?;
    let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
    }
    request.push_str("\r\n");
    let asked = within(limits.handshake_timeout, "the proxy's answer", async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        Ok(status(&mut stream).await)
    });
    let status = asked.await?.map_err(failed)?;
    match status {
        200..300 => Ok(stream),
        407 if proxy.authenticates() => Err(failed(
            "it does not accept the user and password (407)".into(),
        )),
        407 => Err(failed(
            "it wants a user and password (407): put them into the proxy's address".into(),
        )),
        403 => Err(failed(format!(
            "it does not allow connections to {to} (403)"
        ))),
        other => Err(failed(format!("it cannot connect to {to} ({other})"))),
    }
}

async fn reach(proxy: &Proxy, limits: &Limits) -> Result<TcpStream, TunnelError> {
    let attempts = addresses(&proxy.address).await?.into_iter();
    let attempts = attempts.map(|address| (NEXT_ADDRESS, Box::pin(tcp::connect(address, limits))));
    first_success(attempts.collect()).await
}

/// Reads the head of an answer: its status. Nothing may follow it, for the edge speaks second.
async fn status(stream: &mut Way) -> Result<u16, String> {
    let mut head = Vec::new();
    loop {
        let mut chunk = [0u8; 2048];
        let count = stream.read(&mut chunk).await.map_err(|e| e.to_string())?;
        if count == 0 {
            return Err("it ended the connection instead of an answer".into());
        }
        head.extend_from_slice(&chunk[..count]);
        let known = head.len().min(b"HTTP/1.".len());
        if head[..known] != b"HTTP/1."[..known] {
            return Err("it does not answer in HTTP".into());
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let status = status_of(&head).ok_or("it does not answer in HTTP")?;
            let follows = head.len() > end + 4;
            return match (200..300).contains(&status) && follows {
                true => Err("it sends bytes of its own into the connection".into()),
                false => Ok(status),
            };
        }
        if head.len() > HEAD_BYTES {
            return Err(format!("its answer's head is over {HEAD_BYTES} bytes"));
        }
    }
}

/// `HTTP/1.1 200 …`
fn status_of(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let word = std::str::from_utf8(line.split(|byte| *byte == b' ').nth(1)?).ok()?;
    (word.len() == 3).then(|| word.parse().ok()).flatten()
}
