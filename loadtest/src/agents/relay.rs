//! Relays as processes of their own, for agents that connect through them.

use super::platform::{Platform, Site};
use crate::process;
use anyhow::{Context as _, Result, bail};
use std::net::UdpSocket;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// For a claim by token.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running relay; killed when dropped.
pub(super) struct Relay {
    child: Child,
    /// Where agents reach it.
    pub(super) address: String,
}

impl Relay {
    /// Claims a relay by a token and starts it.
    pub(super) async fn start(
        program: &Path,
        folder: &Path,
        platform: &Platform,
        site: &Site,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let token = folder.join("token");
        std::fs::write(&token, site.relay_token().await?)?;
        let data = folder.join("data");
        let claim = Command::new(program)
            .args(["claim", "--server", &platform.quic])
            .arg("--token-file")
            .arg(&token)
            .arg("--data-dir")
            .arg(&data)
            .stdin(Stdio::null())
            .output();
        let claim = tokio::time::timeout(PATIENCE, claim)
            .await
            .context("the claim takes too long")??;
        if !claim.status.success() {
            bail!(
                "the relay was not claimed: {}",
                String::from_utf8_lossy(&claim.stderr)
            );
        }
        let address = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let settings = folder.join("relay.toml");
        std::fs::write(&settings, "metrics_listen = \"\"\n")?;
        let log = std::fs::File::create(folder.join("log"))?;
        let child = Command::new(program)
            .args(["run", "--listen", &address, "--data-dir"])
            .arg(&data)
            .arg("--config")
            .arg(&settings)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        Ok(Self { child, address })
    }

    pub(super) fn resident(&self) -> Result<u64> {
        process::resident(self.child.id().context("the relay has ended")?)
    }
}
