//! mosquitto: MQTT 3.1.1, check-ins as messages of QoS 1.

use super::broker::MESSAGE_BYTES;
use super::certificates::SERVER;
use anyhow::{Context as _, Result, bail};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const TOPIC: &str = "hosts/check-in";

/// As many clients as there are files, certificates on both sides, nothing kept.
pub(super) fn configuration(folder: &Path, address: SocketAddr) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    format!(
        "user root\nlistener {} {}\ncafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate true\nallow_anonymous true\n\
         max_connections -1\npersistence false\nlog_type none\n",
        address.port(),
        address.ip(),
        at("ca.pem"),
        at("server.pem"),
        at("server.key"),
    )
}

/// TLS, CONNECT and CONNACK.
pub(super) async fn open(
    socket: TcpStream,
    tls: &TlsConnector,
    number: usize,
) -> Result<TlsStream<TcpStream>> {
    let mut stream = tls.connect(ServerName::try_from(SERVER)?, socket).await?;
    stream
        .write_all(&connect_packet(&format!("load-{number}"))?)
        .await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    if answer[0] != 0x20 || answer[3] != 0 {
        bail!("mosquitto refused with {}", answer[3]);
    }
    Ok(stream)
}

/// PUBLISH and its PUBACK.
pub(super) async fn publish(stream: &mut TlsStream<TcpStream>, number: u16) -> Result<()> {
    stream.write_all(&publish_packet(number)?).await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    if answer[0] != 0x40 || answer[2..] != number.to_be_bytes() {
        bail!("mosquitto confirmed something else");
    }
    Ok(())
}

/// MQTT 3.1.1, 3.1: a clean session, a keep-alive of a minute.
fn connect_packet(name: &str) -> Result<Vec<u8>> {
    let mut body = vec![0, 4];
    body.extend(b"MQTT");
    body.extend([4, 2, 0, 60]);
    body.extend(u16::try_from(name.len())?.to_be_bytes());
    body.extend(name.as_bytes());
    packet(0x10, &body)
}

/// MQTT 3.1.1, 3.3: QoS 1.
fn publish_packet(number: u16) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(MESSAGE_BYTES + 32);
    body.extend(u16::try_from(TOPIC.len())?.to_be_bytes());
    body.extend(TOPIC.as_bytes());
    body.extend(number.to_be_bytes());
    body.resize(body.len() + MESSAGE_BYTES, b'x');
    packet(0x32, &body)
}

/// Kind and remaining length (MQTT 3.1.1, 2.2.3) of at most two bytes before the rest.
fn packet(kind: u8, body: &[u8]) -> Result<Vec<u8>> {
    let length = u16::try_from(body.len())
        .ok()
        .filter(|length| *length < 1 << 14);
    let length = length.context("a packet is too long")?;
    let (low, high) = (u8::try_from(length & 0x7f)?, u8::try_from(length >> 7)?);
    let mut packet = vec![kind];
    match high {
        0 => packet.push(low),
        high => packet.extend([low | 0x80, high]),
    }
    packet.extend(body);
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_have_the_form_of_the_standard() {
        let connect = connect_packet("a").expect("a packet");
        assert_eq!(
            connect,
            [
                0x10, 13, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 1, b'a'
            ]
        );
        let publish = publish_packet(258).expect("a packet");
        assert_eq!(publish[0], 0x32);
        // 2 + 14 + 2 + 42.
        assert_eq!(publish[1], 60);
        assert_eq!(publish.len(), 2 + 60);
        assert_eq!(publish[18..20], [1, 2]);
        let long = packet(0x32, &[0; 168]).expect("a packet");
        assert_eq!(long[1..3], [40 | 0x80, 1]);
        packet(0x32, &vec![0; 1 << 14]).expect_err("too long");
    }
}
