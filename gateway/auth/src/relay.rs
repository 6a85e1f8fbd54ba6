//! Relays: nodes on sites.

use crate::access::{reaches, readable};
use crate::certificate::alone;
use crate::{Auth, IdentityEventV1, IssuedCertificate, Subject, event};
use chrono::{DateTime, Utc};
use netpatch_protocol::SubjectKind;
use netpatch_storage::TenantTx;
use netpatch_types::{
    DeploymentId, OrganizationId, RelayId, RequestContext, ServiceError, ServiceResult, Sha256,
    SiteId,
};
use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How a relay stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayStatus {
    /// Reported within 90 s.
    Online,
    /// Reported within 10 minutes.
    Degraded,
    /// Longer ago, or never.
    Offline,
}

/// What a relay has fetched ahead for a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedWave {
    /// Of which deployment.
    pub deployment: DeploymentId,
    /// Which of its waves.
    pub wave: u32,
    /// How many payloads hosts of the site need.
    pub payloads: u32,
    /// Of how many bytes.
    pub bytes: u64,
    /// How many of them the relay holds.
    pub staged: u32,
    /// Of how many bytes.
    pub staged_bytes: u64,
    /// When hosts may install the first of them; `None`: not known.
    pub needed_at: Option<DateTime<Utc>>,
    /// Why one cannot be staged; empty when all can.
    pub problem: String,
}

/// A relay.
#[derive(Clone, Debug, PartialEq)]
pub struct Relay {
    /// Id.
    pub id: RelayId,
    /// Whose.
    pub organization: OrganizationId,
    /// Where.
    pub site: SiteId,
    /// Name.
    pub name: String,
    /// Hardware or image.
    pub model: String,
    /// As it says.
    pub serial: String,
    /// SemVer of its program.
    pub version: String,
    /// SHA-256 of its public key.
    pub key_fingerprint: Sha256,
    /// Where agents of the site reach it, as it says: `host:port`; empty when unknown.
    pub address: String,
    /// Last report.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Bytes in the cache.
    pub cache_bytes: u64,
    /// Bytes given to hosts.
    pub bytes_served: u64,
    /// Bytes fetched from upstream.
    pub bytes_fetched: u64,
    /// Answers from the cache.
    pub hits: u64,
    /// Answers that needed upstream.
    pub misses: u64,
    /// Agents connected now.
    pub sessions: u32,
    /// Packages that it made of older versions and differences.
    pub deltas: u64,
    /// How much shorter those differences were than the packages.
    pub delta_saved_bytes: u64,
    /// Payloads that came from the platform's own store.
    pub stored: u64,
    /// What it has fetched ahead.
    pub staging: Vec<StagedWave>,
}

impl Relay {
    /// How it stands.
    #[must_use]
    pub fn status(&self, now: DateTime<Utc>) -> RelayStatus {
        match self.last_seen_at.map(|seen| (now - seen).num_seconds()) {
            Some(age) if age <= 90 => RelayStatus::Online,
            Some(age) if age <= 600 => RelayStatus::Degraded,
            _ => RelayStatus::Offline,
        }
    }

    /// Share of answers from the cache, 0–1.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        hit_ratio(self.hits, self.misses)
    }

    /// Bytes that hosts got without a byte over the site's line.
    #[must_use]
    pub fn saved_bytes(&self) -> u64 {
        self.bytes_served.saturating_sub(self.bytes_fetched)
    }
}

/// Share of answers from a cache, 0–1; none without answers.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
pub fn hit_ratio(hits: u64, misses: u64) -> Option<f64> {
    let all = hits.saturating_add(misses);
    (all > 0).then(|| hits as f64 / all as f64)
}

/// What a relay reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are those of Relay")]
pub struct RelayReport {
    pub version: String,
    pub address: String,
    pub cache_bytes: u64,
    pub bytes_served: u64,
    pub bytes_fetched: u64,
    pub hits: u64,
    pub misses: u64,
    pub sessions: u32,
    pub deltas: u64,
    pub delta_saved_bytes: u64,
    pub stored: u64,
}

#[derive(FromQueryResult)]
struct Row {
    tenant_id: Uuid,
    id: Uuid,
    site_id: Uuid,
    name: String,
    model: String,
    serial: String,
    version: String,
    key_fingerprint: Vec<u8>,
    address: String,
    last_seen_at: Option<DateTime<Utc>>,
    cache_bytes: i64,
    bytes_served: i64,
    bytes_fetched: i64,
    hits: i64,
    misses: i64,
    sessions: i32,
    deltas: i64,
    delta_saved_bytes: i64,
    stored: i64,
    staging: serde_json::Value,
}

const COLUMNS: &str = "tenant_id, id, site_id, name, model, serial, version, key_fingerprint, address, last_seen_at, cache_bytes, bytes_served, bytes_fetched, hits, misses, sessions, deltas, delta_saved_bytes, stored, staging";

impl From<Row> for Relay {
    fn from(row: Row) -> Self {
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        Self {
            id: row.id.into(),
            organization: row.tenant_id.into(),
            site: row.site_id.into(),
            name: row.name,
            model: row.model,
            serial: row.serial,
            version: row.version,
            key_fingerprint: Sha256::from_slice(&row.key_fingerprint).unwrap_or_default(),
            address: row.address,
            last_seen_at: row.last_seen_at,
            cache_bytes: count(row.cache_bytes),
            bytes_served: count(row.bytes_served),
            bytes_fetched: count(row.bytes_fetched),
            hits: count(row.hits),
            misses: count(row.misses),
            sessions: u32::try_from(row.sessions).unwrap_or(0),
            deltas: count(row.deltas),
            delta_saved_bytes: count(row.delta_saved_bytes),
            stored: count(row.stored),
            staging: serde_json::from_value(row.staging).unwrap_or_default(),
        }
    }
}

/// A relay that joins, in the transaction of its certificate.
pub(crate) struct Joining<'a> {
    pub(crate) id: RelayId,
    pub(crate) site: SiteId,
    pub(crate) name: &'a str,
    pub(crate) machine: Machine<'a>,
}

/// What a machine that becomes a relay says of itself, and its certificate request.
#[derive(Clone, Copy)]
pub(crate) struct Machine<'a> {
    pub(crate) model: &'a str,
    pub(crate) serial: &'a str,
    pub(crate) version: &'a str,
    pub(crate) csr_der: &'a [u8],
}

impl Auth {
    pub(crate) async fn relay_join(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        relay: Joining<'_>,
    ) -> ServiceResult<IssuedCertificate> {
        let organization = tx.tenant()?;
        let subject = Subject {
            organization,
            kind: SubjectKind::Relay,
            id: relay.id.0,
        };
        let machine = relay.machine;
        let issued = self.issue(tx, subject, machine.csr_der).await?;
        let key = key_fingerprint(&issued.certificate_der);
        tx.execute(
            "insert into identity.relays (tenant_id, id, site_id, name, model, serial, version, key_fingerprint, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            [
                organization.0.into(),
                relay.id.0.into(),
                relay.site.0.into(),
                relay.name.into(),
                crate::site::cut(machine.model).into(),
                crate::site::cut(machine.serial).into(),
                crate::site::cut(machine.version).into(),
                key.0.to_vec().into(),
                self.clock.now().into(),
            ],
        )
        .await?;
        event::append(
            tx,
            ctx,
            &*self.clock,
            IdentityEventV1::RelayClaimed {
                relay: relay.id,
                key: Some(key),
            },
        )
        .await?;
        Ok(issued)
    }

    /// Another machine takes a relay's place, in the transaction of its certificate. What the old one had fetched ahead it has not.
    pub(crate) async fn relay_replace(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        relay: RelayId,
        machine: Machine<'_>,
    ) -> ServiceResult<IssuedCertificate> {
        let organization = tx.tenant()?;
        let subject = Subject {
            organization,
            kind: SubjectKind::Relay,
            id: relay.0,
        };
        alone(tx, subject).await?;
        let old_key = self.relay_key(tx, relay).await?;
        let old_key = old_key.ok_or_else(|| ServiceError::not_found("relay"))?;
        self.revoke(tx, subject).await?;
        let issued = self.issue(tx, subject, machine.csr_der).await?;
        let new_key = key_fingerprint(&issued.certificate_der);
        tx.execute(
            "update identity.relays set model = $3, serial = $4, version = $5, key_fingerprint = $6, staging = '[]', cache_bytes = 0, sessions = 0 where tenant_id = $1 and id = $2",
            [
                organization.0.into(),
                relay.0.into(),
                crate::site::cut(machine.model).into(),
                crate::site::cut(machine.serial).into(),
                crate::site::cut(machine.version).into(),
                new_key.0.to_vec().into(),
            ],
        )
        .await?;
        let replaced = IdentityEventV1::RelayReplaced {
            relay,
            old_key,
            new_key,
        };
        event::append(tx, ctx, &*self.clock, replaced).await?;
        Ok(issued)
    }

    /// SHA-256 of a relay's public key; `None`: there is no such relay.
    pub(crate) async fn relay_key(
        &self,
        tx: &TenantTx,
        relay: RelayId,
    ) -> ServiceResult<Option<Sha256>> {
        let sql = "select key_fingerprint from identity.relays where tenant_id = $1 and id = $2";
        let key: Option<Vec<u8>> = tx
            .value(sql, [tx.tenant()?.0.into(), relay.0.into()])
            .await?;
        Ok(key.and_then(|key| Sha256::from_slice(&key)))
    }

    /// Relays that the request may read, by name.
    pub async fn relay_list(&self, ctx: &RequestContext) -> ServiceResult<Vec<Relay>> {
        let tx = self.db.read(ctx).await?;
        let sql = format!(
            "select {COLUMNS} from identity.relays where tenant_id = any($1) order by name, id limit 10000"
        );
        let rows = tx.all::<Row>(&sql, [readable(ctx)]).await?;
        let relays = rows.into_iter().map(Relay::from);
        Ok(relays.filter(|relay| reaches(ctx, relay.site)).collect())
    }

    /// Where the relays of a site say that hosts reach them, `host:port`; who was heard last comes first.
    pub async fn relay_addresses(
        &self,
        ctx: &RequestContext,
        site: SiteId,
        most: usize,
    ) -> ServiceResult<Vec<String>> {
        let sql = "select address from identity.relays where tenant_id = any($1) and site_id = $2 and address <> '' order by last_seen_at desc nulls last, id limit $3";
        self.addresses(ctx, sql, site, most).await
    }

    /// As [`Auth::relay_addresses`], of all other sites of the organization.
    pub async fn relay_addresses_elsewhere(
        &self,
        ctx: &RequestContext,
        site: SiteId,
        most: usize,
    ) -> ServiceResult<Vec<String>> {
        let sql = "select address from identity.relays where tenant_id = any($1) and site_id <> $2 and address <> '' order by last_seen_at desc nulls last, id limit $3";
        self.addresses(ctx, sql, site, most).await
    }

    async fn addresses(
        &self,
        ctx: &RequestContext,
        sql: &str,
        site: SiteId,
        most: usize,
    ) -> ServiceResult<Vec<String>> {
        #[derive(FromQueryResult)]
        struct Address {
            address: String,
        }
        let tx = self.db.read(ctx).await?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values = [readable(ctx), site.0.into(), most.into()];
        let rows = tx.all::<Address>(sql, values).await?;
        Ok(rows.into_iter().map(|row| row.address).collect())
    }

    /// One relay.
    pub async fn relay_get(&self, ctx: &RequestContext, id: RelayId) -> ServiceResult<Relay> {
        let tx = self.db.read(ctx).await?;
        let sql =
            format!("select {COLUMNS} from identity.relays where tenant_id = any($1) and id = $2");
        let row = tx.one::<Row>(&sql, [readable(ctx), id.0.into()]).await?;
        row.map(Relay::from)
            .filter(|relay| reaches(ctx, relay.site))
            .ok_or_else(|| ServiceError::not_found("relay"))
    }

    /// Stores what a relay has fetched ahead.
    pub async fn relay_staging(
        &self,
        organization: OrganizationId,
        id: RelayId,
        waves: &[StagedWave],
    ) -> ServiceResult<()> {
        let ctx = RequestContext::system(organization, "relay staging", self.clock.now());
        let tx = self.db.write(&ctx).await?;
        let known = tx
            .execute(
                "update identity.relays set staging = $3 where tenant_id = $1 and id = $2",
                [
                    organization.0.into(),
                    id.0.into(),
                    serde_json::json!(waves).into(),
                ],
            )
            .await?;
        if known == 0 {
            return Err(ServiceError::not_found("relay"));
        }
        tx.commit().await?;
        Ok(())
    }

    /// Stores what a relay reports.
    pub async fn relay_report(
        &self,
        organization: OrganizationId,
        id: RelayId,
        report: &RelayReport,
    ) -> ServiceResult<()> {
        let now = self.clock.now();
        let ctx = RequestContext::system(organization, "relay report", now);
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let tx = self.db.write(&ctx).await?;
        let known = tx.execute(
            "update identity.relays set last_seen_at = $3, version = $4, address = $5, cache_bytes = $6, bytes_served = $7, bytes_fetched = $8, hits = $9, misses = $10, sessions = $11, deltas = $12, delta_saved_bytes = $13, stored = $14 where tenant_id = $1 and id = $2",
            [
                organization.0.into(),
                id.0.into(),
                now.into(),
                crate::site::cut(&report.version).into(),
                crate::site::cut(&report.address).into(),
                count(report.cache_bytes).into(),
                count(report.bytes_served).into(),
                count(report.bytes_fetched).into(),
                count(report.hits).into(),
                count(report.misses).into(),
                i32::try_from(report.sessions).unwrap_or(i32::MAX).into(),
                count(report.deltas).into(),
                count(report.delta_saved_bytes).into(),
                count(report.stored).into(),
            ],
        )
        .await?;
        if known == 0 {
            return Err(ServiceError::not_found("relay"));
        }
        tx.commit().await?;
        Ok(())
    }
}

/// SHA-256 of the SubjectPublicKeyInfo in a certificate.
pub(crate) fn key_fingerprint(certificate_der: &[u8]) -> Sha256 {
    x509_parser::parse_x509_certificate(certificate_der)
        .map(|(_, certificate)| Sha256::of(certificate.public_key().raw))
        .unwrap_or_default()
}
