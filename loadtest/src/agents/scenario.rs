//! What is simulated, from a TOML file and the command line.

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use std::path::Path;

/// What sessions to the edge run over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Over {
    /// UDP.
    #[default]
    Quic,
    /// Where UDP does not get through.
    Tcp,
}

/// How all sessions are lost at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Storm {
    /// Every agent's connection ends; the edge stays.
    Reconnect,
    /// The platform is killed and started again.
    Restart,
}

/// Whom the same is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Peer {
    /// mosquitto: MQTT 3.1.1 over TLS with client certificates, check-ins as messages of QoS 1.
    Mosquitto,
    /// nats-server: its own protocol over TLS with client certificates, check-ins confirmed by a PONG.
    Nats,
}

impl Peer {
    /// As its program is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Nats => "nats-server",
        }
    }

    /// How a client knows that its message was taken.
    pub(super) fn confirmed_by(self) -> &'static str {
        match self {
            Self::Mosquitto => "QoS 1",
            Self::Nats => "PUB, then PING and PONG",
        }
    }
}

/// A scenario; what a file does not say is as here.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Scenario {
    /// Agents.
    pub(crate) count: usize,
    /// Through relays instead of directly.
    pub(crate) via_relay: bool,
    /// Over what, where it is directly.
    pub(crate) over: Over,
    /// Agents of one relay; an edge lets a relay have 4,096 streams.
    pub(crate) agents_of_a_relay: usize,
    /// Distinct manifests.
    pub(crate) manifests: usize,
    /// Enrolments under way at the same time.
    pub(crate) enrolling: usize,
    /// Sessions that are being opened at the same time; in a storm it is all of them.
    pub(crate) connecting: usize,
    /// How long agents are left as the edge wants them.
    pub(crate) idle_seconds: u64,
    /// Then how often each checks in.
    pub(crate) check_in_every_ms: u64,
    /// And for how long.
    pub(crate) check_in_seconds: u64,
    /// Then how sessions are lost.
    pub(crate) storms: Vec<Storm>,
    /// Who else is measured, before.
    pub(crate) peers: Vec<Peer>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            count: 1_000,
            via_relay: false,
            over: Over::Quic,
            agents_of_a_relay: 4_000,
            manifests: 500,
            enrolling: 32,
            connecting: 64,
            idle_seconds: 60,
            check_in_every_ms: 2_000,
            check_in_seconds: 30,
            storms: vec![Storm::Reconnect, Storm::Restart],
            peers: Vec::new(),
        }
    }
}

impl Scenario {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read the scenario {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("the scenario {}", path.display()))
    }

    /// Refuses what cannot be simulated.
    pub(crate) fn check(self) -> Result<Self> {
        let counts = [
            ("count", self.count),
            ("agents_of_a_relay", self.agents_of_a_relay),
            ("manifests", self.manifests),
            ("enrolling", self.enrolling),
            ("connecting", self.connecting),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            bail!("the scenario has {name} = 0");
        }
        if self.check_in_every_ms == 0 {
            bail!("the scenario has check_in_every_ms = 0");
        }
        if self.agents_of_a_relay > 4_000 {
            bail!("a relay has at most 4,000 agents at once: each needs a stream to the edge");
        }
        Ok(self)
    }

    /// How many relays there are.
    pub(crate) fn relays(&self) -> usize {
        if self.via_relay {
            self.count.div_ceil(self.agents_of_a_relay)
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_differs() {
        let scenario: Scenario = toml::from_str(
            "count = 9000\nvia_relay = true\nstorms = [\"restart\"]\npeers = [\"mosquitto\"]\n",
        )
        .expect("a scenario");
        assert_eq!(scenario.relays(), 3);
        assert_eq!(scenario.storms, [Storm::Restart]);
        assert_eq!(scenario.peers, [Peer::Mosquitto]);
        assert_eq!(scenario.manifests, Scenario::default().manifests);
        scenario.check().expect("it can be simulated");
        for wrong in ["conut = 1", "count = -1", "storms = [\"rain\"]"] {
            toml::from_str::<Scenario>(wrong).expect_err(wrong);
        }
        for wrong in [
            "count = 0",
            "check_in_every_ms = 0",
            "agents_of_a_relay = 5000",
        ] {
            let scenario: Scenario = toml::from_str(wrong).expect("it can be read");
            scenario.check().expect_err(wrong);
        }
    }

    #[test]
    fn the_scenarios_of_the_repository_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).expect("scenarios") {
            let scenario = Scenario::read(&entry.expect("an entry").path()).expect("a scenario");
            scenario.check().expect("it can be simulated");
            files += 1;
        }
        assert!(files > 0);
    }
}
