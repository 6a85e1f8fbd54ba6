//! Whether an order is obeyed: every check of `details.md` that needs no package manager, in one place.
//!
//! Invariants: nothing of an order is read before the director's signatures over its exact bytes hold; each patch in
//! its content list carries an approval that is bound to exactly these items; a sequence that was passed is never
//! taken again. The plan is compared with the content list later, when the package manager has made it.

use crate::decide::{OrderTimes, WindowNow};
use crate::plan::ContentItem;
use crate::{Refusal, Refused};
use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use netpatch_proof::PublicKey;
use netpatch_protocol::content::content_digest;
use netpatch_protocol::document::{self, Envelope, Membership, RebootRule, Root};
use netpatch_protocol::open_envelope;
use netpatch_types::{DeploymentId, HostId, OrganizationId, Sha256, WaveId};
use netpatch_window::{Tz, WindowRule, next_open, open_at, parse_zone};
use std::collections::BTreeMap;

/// An order larger than this is refused, bytes.
pub const MAX_ORDER_BYTES: usize = 512 << 10;

/// Whom an agent believes: the pinned root document, and who the agent is.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The organization.
    pub organization: OrganizationId,
    /// The host.
    pub host: HostId,
    director: Vec<PublicKey>,
    director_threshold: usize,
    approval: Vec<PublicKey>,
    approval_threshold: usize,
    epoch: u64,
}

impl Trust {
    /// From a root document that was verified before.
    #[must_use]
    pub fn new(organization: OrganizationId, host: HostId, root: &Root) -> Self {
        Self {
            organization,
            host,
            director: root.keys_of("director"),
            director_threshold: threshold(root.director_threshold),
            approval: root.keys_of("approval"),
            approval_threshold: threshold(root.approval_threshold),
            epoch: root.epoch,
        }
    }

    /// A document that only the director signs.
    pub fn from_director<D: netpatch_protocol::Document>(
        &self,
        envelope: &Envelope,
    ) -> Result<D, Refused> {
        open_envelope(envelope, &self.director, self.director_threshold).map_err(signature)
    }

    /// A document that only the approval key signs.
    pub fn from_approval<D: netpatch_protocol::Document>(
        &self,
        envelope: &Envelope,
    ) -> Result<D, Refused> {
        open_envelope(envelope, &self.approval, self.approval_threshold).map_err(signature)
    }

    /// A membership document of this host, newer than the one held.
    pub fn membership(
        &self,
        envelope: &Envelope,
        held_version: u64,
    ) -> Result<Membership, Refused> {
        let membership: Membership = self.from_approval(envelope)?;
        let ours = self.is_ours(&membership.organization_id)
            && membership.host_id == self.host.to_string();
        if !ours {
            return Err(Refused::new(
                Refusal::NotInCohort,
                "the membership is another host's",
            ));
        }
        if membership.version <= held_version {
            let detail = format!(
                "membership {} is not newer than {held_version}",
                membership.version
            );
            return Err(Refused::new(Refusal::Replay, detail));
        }
        Ok(membership)
    }

    /// Whether a document names this organization.
    #[must_use]
    pub fn is_ours(&self, organization_id: &str) -> bool {
        organization_id == self.organization.to_string()
    }
}

/// A root document, if the keys it names as root signed it and, after the first, those of the version held too.
pub fn open_root(envelope: &Envelope, held: Option<&Root>) -> Result<Root, Refused> {
    let demand = |root: &Root| (root.keys_of("root"), threshold(root.root_threshold));
    let root = netpatch_protocol::open_envelope_with(envelope, |root: &Root| {
        std::iter::once(demand(root))
            .chain(held.map(demand))
            .collect()
    })
    .map_err(signature)?;
    match held {
        Some(held) if root.organization_id != held.organization_id => Err(Refused::new(
            Refusal::Signature,
            "the root document is another organization's",
        )),
        Some(held) if root.version <= held.version => {
            let detail = format!(
                "root document {} is not newer than {}",
                root.version, held.version
            );
            Err(Refused::new(Refusal::Replay, detail))
        }
        _ => Ok(root),
    }
}

/// What the agent knows besides the order.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The newest membership document.
    pub membership: Option<&'a Membership>,
    /// The highest sequence of this deployment that was taken, by any order.
    pub highest_sequence: Option<u64>,
    /// Whether this host only reports.
    pub audit_only: bool,
    /// Now, by the edge's clock as far as it is known.
    pub now: DateTime<Utc>,
}

/// An order that was verified, in the agent's own words.
#[derive(Clone, Debug)]
pub struct Order {
    /// SHA-256 of its payload bytes.
    pub digest: Sha256,
    /// The deployment.
    pub deployment: DeploymentId,
    /// The wave.
    pub wave: WaveId,
    /// Grows per deployment.
    pub sequence: u64,
    /// What is approved.
    pub content: Vec<ContentItem>,
    /// What it says about time.
    pub times: OrderTimes,
    /// How old a freshness statement may be.
    pub lease: Duration,
    /// When installs and restarts are allowed; `None`: from *not before* to *not after*.
    pub window: Option<OrderWindow>,
}

/// The window of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderWindow {
    /// When change is allowed.
    pub rule: WindowRule,
    /// When it is not after all.
    pub blackouts: Vec<WindowRule>,
}

/// Checks an order as it arrives: size, signatures, organization, epoch, sequence, end, target, approvals.
pub fn accept(
    envelope: &Envelope,
    trust: &Trust,
    standing: &Standing<'_>,
) -> Result<Order, Refused> {
    if envelope.payload.len() > MAX_ORDER_BYTES {
        let detail = format!(
            "{} bytes are more than {MAX_ORDER_BYTES}",
            envelope.payload.len()
        );
        return Err(Refused::new(Refusal::Signature, detail));
    }
    let document: document::Order = trust.from_director(envelope)?;
    if !trust.is_ours(&document.organization_id) {
        return Err(Refused::new(
            Refusal::NotInCohort,
            "the order is another organization's",
        ));
    }
    if document.epoch != trust.epoch {
        let detail = format!(
            "the order is of epoch {}, the keys are of {}",
            document.epoch, trust.epoch
        );
        return Err(Refused::new(Refusal::Signature, detail));
    }
    let order = decode(envelope, &document)?;
    if let Some(highest) = standing.highest_sequence
        && order.sequence <= highest
    {
        let detail = format!("sequence {} is not above {highest}", order.sequence);
        return Err(Refused::new(Refusal::Replay, detail));
    }
    if standing.now >= order.times.not_after {
        let detail = format!("the order ended at {}", order.times.not_after);
        return Err(Refused::new(Refusal::OrderExpired, detail));
    }
    let membership = standing
        .membership
        .filter(|membership| {
            membership.expires_at_ms == 0 || instant(membership.expires_at_ms) > standing.now
        })
        .ok_or_else(|| {
            Refused::new(Refusal::NotInCohort, "no valid membership document is held")
        })?;
    if standing.audit_only || membership.audit_only {
        return Err(Refused::new(Refusal::AuditOnly, "this host only reports"));
    }
    let target = document.target.clone().unwrap_or_default();
    if document.target.is_none() || !target.includes(order.deployment, trust.host, membership) {
        return Err(Refused::new(
            Refusal::NotInCohort,
            "group, ring or range does not hold this host",
        ));
    }
    check_approvals(&document, trust, membership, standing.now)?;
    Ok(order)
}

/// Each patch of the list needs an approval of exactly its items.
fn check_approvals(
    order: &document::Order,
    trust: &Trust,
    membership: &Membership,
    now: DateTime<Utc>,
) -> Result<(), Refused> {
    let mut patches: BTreeMap<&str, Vec<document::ContentItem>> = BTreeMap::new();
    for item in order.content.iter().flat_map(|content| &content.items) {
        patches
            .entry(item.patch_id.as_str())
            .or_default()
            .push(item.clone());
    }
    if patches.is_empty() {
        return Err(Refused::new(Refusal::Signature, "the order has no content"));
    }
    let approvals: Vec<document::Approval> = order
        .approvals
        .iter()
        .filter_map(|envelope| trust.from_approval(envelope).ok())
        .collect();
    for (patch_id, items) in patches {
        let digest = content_digest(&document::Content { items });
        let approved = approvals.iter().any(|approval| {
            trust.is_ours(&approval.organization_id)
                && approval.patch_id == patch_id
                && approval.decision == "approve"
                && approval.content_digest == digest.0
                && (approval.group_id.is_empty() || membership.groups.contains(&approval.group_id))
                && (approval.ring.is_empty() || approval.ring == membership.ring)
                && (approval.expires_at_ms == 0 || instant(approval.expires_at_ms) > now)
        });
        if !approved {
            let detail = format!("no approval covers the items of {patch_id:?}");
            return Err(Refused::new(Refusal::Signature, detail));
        }
    }
    Ok(())
}

/// Reads the payload of an order whose signatures were verified when the journal began.
pub fn reread(envelope: &Envelope) -> Result<Order, Refused> {
    let document = <document::Order as prost::Message>::decode(envelope.payload.as_slice())
        .map_err(|error| malformed(format!("the order cannot be read: {error}")))?;
    decode(envelope, &document)
}

fn decode(envelope: &Envelope, document: &document::Order) -> Result<Order, Refused> {
    let id = |text: &str, field: &str| {
        text.parse::<uuid::Uuid>()
            .map_err(|_| malformed(format!("the order's {field} is no uuid")))
    };
    let mut content = Vec::new();
    for item in document.content.iter().flat_map(|content| &content.items) {
        content.push(content_item(item)?);
    }
    let window = match &document.window {
        Some(window) => Some(OrderWindow {
            rule: window_rule(window)?,
            blackouts: window
                .blackouts
                .iter()
                .map(window_rule)
                .collect::<Result<_, _>>()?,
        }),
        None => None,
    };
    Ok(Order {
        digest: envelope.digest(),
        deployment: DeploymentId(id(&document.deployment_id, "deployment")?),
        wave: WaveId(id(&document.wave_id, "wave")?),
        sequence: document.sequence,
        content,
        times: OrderTimes {
            not_before: instant(document.not_before_ms),
            not_after: instant(document.not_after_ms),
            estimate: std::time::Duration::from_secs(u64::from(document.install_estimate_seconds)),
            require_rollback: document.require_rollback,
            await_reboot: document.reboot() == RebootRule::IfNeededInWindow,
        },
        lease: Duration::seconds(i64::from(document.lease_seconds)),
        window,
    })
}

fn content_item(item: &document::ContentItem) -> Result<ContentItem, Refused> {
    let sha256 = Sha256::from_slice(&item.sha256);
    if !item.remove && (sha256.is_none() || item.version.is_empty()) {
        return Err(malformed(format!(
            "{} has no hash or no version",
            item.name
        )));
    }
    let fixed = if item.fixed_version.is_empty() {
        &item.version
    } else {
        &item.fixed_version
    };
    Ok(ContentItem {
        name: item.name.clone(),
        arch: item.arch.clone(),
        version: item.version.clone(),
        fixed_version: fixed.clone(),
        sha256,
        size_bytes: item.size_bytes,
        remove: item.remove,
        dependency: item.dependency,
    })
}

fn window_rule(window: &document::Window) -> Result<WindowRule, Refused> {
    let wrong = |reason: String| malformed(format!("the order's window: {reason}"));
    let time_zone = match window.time_zone.as_str() {
        "" => None,
        name => Some(parse_zone(name).map_err(|error| wrong(error.to_string()))?),
    };
    Ok(WindowRule {
        rrule: window.rrule.clone(),
        starts_at: window
            .starts_at
            .parse::<NaiveDateTime>()
            .map_err(|error| wrong(error.to_string()))?,
        duration_s: window.duration_seconds,
        offset_days: window.offset_days,
        time_zone,
    })
}

impl Order {
    /// Where the present stands in the order's window, in the host's zone.
    pub fn window_now(&self, host_zone: Tz, now: DateTime<Utc>) -> Result<WindowNow, Refused> {
        let wrong =
            |error: netpatch_window::WindowError| malformed(format!("the order's window: {error}"));
        let last = self.times.not_after;
        let Some(window) = &self.window else {
            return Ok(if now < self.times.not_before {
                WindowNow::Closed {
                    opens: Some(self.times.not_before),
                }
            } else {
                WindowNow::Open { until: last }
            });
        };
        if let Some(open) =
            open_at(&window.rule, &window.blackouts, host_zone, now).map_err(wrong)?
        {
            return Ok(WindowNow::Open { until: open.end });
        }
        let next = next_open(&window.rule, &window.blackouts, host_zone, now).map_err(wrong)?;
        Ok(WindowNow::Closed {
            opens: next.map(|open| open.start).filter(|start| *start < last),
        })
    }
}

/// The zone in which a host's windows are read: membership, else the host's own, else UTC.
#[must_use]
pub fn host_zone(membership: Option<&Membership>, own: &str) -> Tz {
    let named = membership
        .map(|membership| membership.time_zone.as_str())
        .unwrap_or_default();
    [named, own]
        .into_iter()
        .find_map(|name| parse_zone(name).ok())
        .unwrap_or(Tz::UTC)
}

fn threshold(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX).max(1)
}

/// Unix milliseconds; out of range is the end of time on that side.
fn instant(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or(if ms < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

fn signature(error: netpatch_protocol::OpenError) -> Refused {
    Refused::new(Refusal::Signature, error.to_string())
}

fn malformed(detail: String) -> Refused {
    Refused::new(Refusal::Signature, detail)
}

#[cfg(test)]
mod tests;
