//! Relays.

use super::{Deployment, RelayStatus, Site};
use crate::graphql::{ByteCount, DateTime, Result, Sha256, connection::int, loaders, session};
use async_graphql::{Context, ID, Object, SimpleObject};
use netpatch_types::OrganizationId;

/// A relay that waits to be claimed, as it says itself.
#[derive(Clone, SimpleObject)]
pub struct RelayPreview {
    /// Hardware or image.
    pub model: String,
    /// Serial number.
    pub serial: String,
    /// Version of its program.
    pub version: String,
    /// Fingerprint of its key: compare it with what the relay shows.
    pub key_fingerprint: Sha256,
    /// When its code ends.
    pub expires_at: DateTime,
}

impl From<netpatch_auth::ClaimPreview> for RelayPreview {
    fn from(seen: netpatch_auth::ClaimPreview) -> Self {
        Self {
            model: seen.model,
            serial: seen.serial,
            version: seen.version,
            key_fingerprint: Sha256(seen.key_fingerprint),
            expires_at: seen.expires_at.into(),
        }
    }
}

/// What a relay has fetched ahead for a wave, as it says.
#[derive(Clone)]
pub struct StagedWave {
    of: OrganizationId,
    wave: netpatch_auth::StagedWave,
}

/// What a relay has fetched ahead for a wave, as it says.
#[Object]
impl StagedWave {
    /// Of which deployment.
    #[graphql(complexity = "5 + child_complexity")]
    async fn deployment(&self, ctx: &Context<'_>) -> Result<Option<Deployment>> {
        super::deployment::find(session(ctx)?, self.of, self.wave.deployment).await
    }

    /// Which of its waves, from 1.
    async fn wave(&self) -> i32 {
        int(self.wave.wave)
    }

    /// How many payloads hosts of the site need for it.
    async fn payloads(&self) -> i32 {
        int(self.wave.payloads)
    }

    /// Of how many bytes.
    async fn bytes(&self) -> ByteCount {
        ByteCount(self.wave.bytes)
    }

    /// How many of them the relay holds.
    async fn staged(&self) -> i32 {
        int(self.wave.staged)
    }

    /// Of how many bytes.
    async fn staged_bytes(&self) -> ByteCount {
        ByteCount(self.wave.staged_bytes)
    }

    /// When hosts may install the first of them; null: no window opens.
    async fn needed_at(&self) -> Option<DateTime> {
        self.wave.needed_at.map(DateTime)
    }

    /// Why one cannot be fetched ahead; null when all can.
    async fn problem(&self) -> Option<&str> {
        Some(self.wave.problem.as_str()).filter(|problem| !problem.is_empty())
    }
}

/// A node on a site that caches payloads and carries agents' sessions.
#[derive(Clone)]
pub struct Relay(pub netpatch_auth::Relay);

/// A node on a site that caches payloads and carries agents' sessions.
#[Object]
impl Relay {
    /// Opaque id.
    pub async fn id(&self) -> ID {
        self.0.id.public(self.0.organization).into()
    }

    /// Name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// How it stands now.
    async fn status(&self, ctx: &Context<'_>) -> Result<RelayStatus> {
        Ok(self.0.status(session(ctx)?.apis.auth.clock().now()).into())
    }

    /// Where it is.
    async fn site(&self, ctx: &Context<'_>) -> Result<Option<Site>> {
        loaders(ctx)?.site(self.0.organization, self.0.site).await
    }

    /// Its last report.
    async fn last_seen_at(&self) -> Option<DateTime> {
        self.0.last_seen_at.map(DateTime)
    }

    /// Version of its program.
    async fn version(&self) -> Option<&str> {
        Some(self.0.version.as_str()).filter(|version| !version.is_empty())
    }

    /// Hardware or image.
    async fn model(&self) -> &str {
        &self.0.model
    }

    /// Serial number, as it says.
    async fn serial(&self) -> &str {
        &self.0.serial
    }

    /// Fingerprint of its key: what the relay itself shows.
    async fn key_fingerprint(&self) -> Sha256 {
        Sha256(self.0.key_fingerprint)
    }

    /// Where agents of the site reach it, as it says: `host:port`.
    async fn address(&self) -> Option<&str> {
        Some(self.0.address.as_str()).filter(|address| !address.is_empty())
    }

    /// Share of answers from its cache, 0–1.
    async fn cache_hit_ratio(&self) -> Option<f64> {
        self.0.hit_ratio()
    }

    /// Bytes given to hosts.
    async fn bytes_served(&self) -> Option<ByteCount> {
        self.0.last_seen_at.map(|_| ByteCount(self.0.bytes_served))
    }

    /// Bytes fetched from upstream.
    async fn bytes_fetched(&self) -> Option<ByteCount> {
        self.0.last_seen_at.map(|_| ByteCount(self.0.bytes_fetched))
    }

    /// Bytes that hosts got without crossing the site's line: served less fetched.
    async fn saved_bytes(&self) -> Option<ByteCount> {
        self.0.last_seen_at.map(|_| ByteCount(self.0.saved_bytes()))
    }

    /// How much shorter the differences were that it made packages of than the packages; part of what was saved.
    async fn delta_saved_bytes(&self) -> Option<ByteCount> {
        let saved = self.0.delta_saved_bytes;
        self.0.last_seen_at.map(|_| ByteCount(saved))
    }

    /// Bytes in its cache.
    async fn cache_bytes(&self) -> Option<ByteCount> {
        self.0.last_seen_at.map(|_| ByteCount(self.0.cache_bytes))
    }

    /// What it fetches ahead for the waves of approved deployments, first needed first.
    async fn staging(&self) -> Vec<StagedWave> {
        let of = self.0.organization;
        let waves = self.0.staging.iter().cloned();
        waves.map(|wave| StagedWave { of, wave }).collect()
    }

    /// Agents connected through it.
    async fn sessions(&self) -> Option<i32> {
        self.0.last_seen_at.map(|_| int(self.0.sessions))
    }
}
