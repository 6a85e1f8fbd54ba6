//! nats-server: its own protocol (client protocol of NATS 2), a check-in is a PUB, and a PING whose PONG says that it was taken.

use super::broker::MESSAGE_BYTES;
use super::certificates::SERVER;
use anyhow::{Context as _, Result, bail};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::path::Path;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const SUBJECT: &str = "hosts.check-in";
/// What the server says of itself; 2.9 needs some 400 bytes.
const INFO_BYTES: usize = 16 << 10;

/// As many clients as there are files, certificates on both sides, nothing kept.
pub(super) fn configuration(folder: &Path, address: SocketAddr) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    format!(
        "listen: \"{address}\"\nmax_connections: 1000000\nlogfile: \"/dev/null\"\nping_interval: \"60s\"\n\
         tls {{\n  cert_file: {:?}\n  key_file: {:?}\n  ca_file: {:?}\n  verify: true\n  timeout: 30\n}}\n",
        at("server.pem"),
        at("server.key"),
        at("ca.pem"),
    )
}

/// INFO in the clear, then TLS, CONNECT, and a PING to know that it was taken.
pub(super) async fn open(
    mut socket: TcpStream,
    tls: &TlsConnector,
    number: usize,
) -> Result<TlsStream<TcpStream>> {
    let info = line(&mut socket).await?;
    if !info.starts_with("INFO ") {
        bail!("nats-server began with {info}");
    }
    let mut stream = tls.connect(ServerName::try_from(SERVER)?, socket).await?;
    let connect = format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"name\":\"load-{number}\",\"lang\":\"rust\",\
         \"version\":\"1\"}}\r\nPING\r\n"
    );
    stream.write_all(connect.as_bytes()).await?;
    pong(&mut stream).await?;
    Ok(stream)
}

/// PUB, PING and its PONG.
pub(super) async fn publish(stream: &mut TlsStream<TcpStream>) -> Result<()> {
    stream.write_all(&publish_packet()).await?;
    pong(stream).await
}

fn publish_packet() -> Vec<u8> {
    let mut packet = format!("PUB {SUBJECT} {MESSAGE_BYTES}\r\n").into_bytes();
    packet.resize(packet.len() + MESSAGE_BYTES, b'x');
    packet.extend(b"\r\nPING\r\n");
    packet
}

/// Reads until a PONG; the server may ask whether we live, and tell more of itself.
async fn pong(stream: &mut TlsStream<TcpStream>) -> Result<()> {
    loop {
        let said = line(stream).await?;
        match said.split(' ').next().unwrap_or_default() {
            "PONG" => return Ok(()),
            "PING" => stream.write_all(b"PONG\r\n").await?,
            "INFO" => {}
            _ => bail!("nats-server said {said}"),
        }
    }
}

/// A line without its end; the server sends nothing unasked behind one that is waited for.
async fn line(stream: &mut (impl AsyncRead + Unpin)) -> Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        anyhow::ensure!(line.len() < INFO_BYTES, "nats-server sends no end of line");
        line.push(stream.read_u8().await.context("nats-server's line")?);
    }
    line.truncate(line.len() - 2);
    Ok(String::from_utf8(line)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_length_and_a_question_behind_it() {
        let packet = publish_packet();
        let text = str::from_utf8(&packet).expect("text");
        let (head, rest) = text.split_once("\r\n").expect("a line");
        assert_eq!(head, "PUB hosts.check-in 42");
        assert_eq!(&rest[MESSAGE_BYTES..], "\r\nPING\r\n");
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused() {
        let endless = vec![b'x'; INFO_BYTES * 2];
        line(&mut endless.as_slice()).await.expect_err("no end");
        let said = line(&mut b"INFO {}\r\nmore".as_slice()).await;
        assert_eq!(said.expect("a line"), "INFO {}");
    }
}
