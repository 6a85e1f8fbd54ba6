//! The platform as a process of its own, with its own PostgreSQL, so that its memory and processor time are its own.

use super::api::{Api, text};
use crate::process;
use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// From the start of a process to its ready line.
const PATIENCE: Duration = Duration::from_secs(180);
/// From SIGTERM to the end.
const STOP: Duration = Duration::from_secs(60);
/// Uses of one enrolment token, at most.
const TOKEN_USES: usize = 10_000;

/// A running platform; killed when dropped.
pub(super) struct Platform {
    program: PathBuf,
    folder: PathBuf,
    connections: usize,
    child: Child,
    http: String,
    /// Where agents and relays connect.
    pub(super) quic: String,
}

impl Platform {
    /// Starts it on free ports; `connections` at once.
    pub(super) async fn start(program: &Path, folder: &Path, connections: usize) -> Result<Self> {
        let anywhere = "127.0.0.1:0";
        let (child, http, quic) = spawn(program, folder, connections, [anywhere, anywhere]).await?;
        Ok(Self {
            program: program.to_owned(),
            folder: folder.to_owned(),
            connections,
            child,
            http,
            quic,
        })
    }

    /// Ends it as a supervisor would, and starts it again at the same addresses.
    pub(super) async fn restart(&mut self) -> Result<()> {
        kill(self.pid_of_child()?, Signal::SIGTERM)?;
        let ended = tokio::time::timeout(STOP, self.child.wait()).await;
        ended.context("the platform does not end")??;
        self.again().await
    }

    /// Kills it and starts it again; how long it was away.
    pub(super) async fn crash(&mut self) -> Result<Duration> {
        let killed = Instant::now();
        self.child.kill().await?;
        self.again().await?;
        Ok(killed.elapsed())
    }

    async fn again(&mut self) -> Result<()> {
        let at = [self.http.as_str(), self.quic.as_str()];
        let (child, ..) = spawn(&self.program, &self.folder, self.connections, at).await?;
        self.child = child;
        Ok(())
    }

    fn pid_of_child(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.pid()?)?))
    }

    pub(super) fn pid(&self) -> Result<u32> {
        self.child.id().context("the platform has ended")
    }

    pub(super) fn resident(&self) -> Result<u64> {
        process::resident(self.pid()?)
    }

    pub(super) fn cpu(&self) -> Result<Duration> {
        process::cpu(self.pid()?)
    }

    /// An organization with a site.
    pub(super) async fn site(&self) -> Result<Site> {
        let login = std::fs::read(self.folder.join("keys/bootstrap-admin"))?;
        let login: Value = serde_json::from_slice(&login).context("the first login")?;
        let (email, password) = (text(&login, "/email")?, text(&login, "/password")?);
        let api = Api::sign_in(format!("http://{}", self.http), &email, &password).await?;
        let own = "query { viewer { organizations(first: 10) { nodes { id } } } }";
        let own = api.query(own, json!({})).await?;
        let partner = text(&own, "/viewer/organizations/nodes/0/id")?;
        let input = json!({ "name": "Load", "kind": "CUSTOMER", "partnerId": partner });
        let created = api
            .mutate("organizationCreate", input, "organization { id }")
            .await?;
        let organization = text(&created, "/organization/id")?;
        let input = json!({
            "organizationId": organization, "name": "Here", "timeZone": "UTC", "directAllowed": true,
        });
        let created = api.mutate("siteCreate", input, "site { id }").await?;
        let site = text(&created, "/site/id")?;
        Ok(Site {
            api,
            organization,
            site,
        })
    }
}

/// Where agents enrol.
pub(super) struct Site {
    api: Api,
    organization: String,
    site: String,
}

impl Site {
    /// Tokens for so many hosts.
    pub(super) async fn tokens(&self, hosts: usize) -> Result<Vec<String>> {
        let mut tokens = Vec::new();
        for from in (0..hosts).step_by(TOKEN_USES) {
            let uses = (hosts - from).min(TOKEN_USES);
            tokens.push(self.token(uses, false).await?);
        }
        Ok(tokens)
    }

    /// A token for a relay.
    pub(super) async fn relay_token(&self) -> Result<String> {
        self.token(1, true).await
    }

    async fn token(&self, uses: usize, for_relay: bool) -> Result<String> {
        let input = json!({
            "organizationId": self.organization, "siteId": self.site, "maxUses": uses, "forRelay": for_relay,
        });
        let created = self
            .api
            .mutate("enrolmentTokenCreate", input, "token")
            .await?;
        text(&created, "/token")
    }

    /// The host of the n-th use of tokens from [`Self::tokens`].
    pub(super) fn token_of(tokens: &[String], number: usize) -> Option<&str> {
        tokens.get(number / TOKEN_USES).map(String::as_str)
    }
}

async fn spawn(
    program: &Path,
    folder: &Path,
    connections: usize,
    [http, quic]: [&str; 2],
) -> Result<(Child, String, String)> {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NETPATCH_")) {
        command.env_remove(name);
    }
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.with_extension("log"))?;
    command
        .args(["serve", "--http", http, "--quic", quic, "--data-dir"])
        .arg(folder)
        // All hosts of a load test come from one address.
        .env("NETPATCH_LIMITS__EDGE_CONNECTIONS", connections.to_string())
        .env("NETPATCH_LIMITS__ENROLMENTS_PER_SECOND", "100000")
        .env("NETPATCH_LIMITS__RELAYED_ENROLMENTS_PER_SECOND", "100000")
        .env("NETPATCH_TELEMETRY__LOG", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    let output = child.stdout.take().context("its output")?;
    let mut lines = BufReader::new(output).lines();
    let line = tokio::time::timeout(PATIENCE, lines.next_line()).await;
    let line = line
        .context("the platform is not ready")??
        .unwrap_or_default();
    let addresses = line
        .strip_prefix("ready http=")
        .and_then(|rest| rest.split_once(" quic="));
    let Some((http, quic)) = addresses else {
        let log = std::fs::read_to_string(folder.with_extension("log")).unwrap_or_default();
        bail!("the platform did not start: {log}");
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((child, http.to_owned(), quic.to_owned()))
}
