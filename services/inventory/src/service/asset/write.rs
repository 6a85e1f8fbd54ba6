//! Writing assets: one, or many that are written all or not at all.
//!
//! All of a write is decided in memory over the assets and hosts that share a key with it, under one lock of the organization, and
//! then written in a few statements. A write that changes nothing writes nothing.

use super::draft::{Draft, Drafts, Refused};
use super::link::{Fleet, link_all};
use crate::domain::asset::{FieldError, Identity, Keys, checked, identify, write_labels};
use crate::service::Inventory;
use crate::store;
use crate::store::asset::{StoredAsset, Wanted};
use netpatch_inventory_api::{
    AssetImport, AssetImported, AssetLink, AssetOrigin, AssetOutcome, AssetRow, AssetUpserted,
    AssetWrite, Change, InventoryEventV1, LineError, MAX_LISTED_ERRORS,
};
use netpatch_storage::TenantTx;
use netpatch_types::{AssetId, Labels, RequestContext, ServiceError, ServiceResult, Sha256};
use std::collections::BTreeSet;

/// By what a record is known.
fn keys_of(write: &AssetWrite) -> Keys {
    let text = |change: &Change<String>| change.value().cloned().unwrap_or_default();
    Keys {
        inventory_number: text(&write.inventory_number),
        machine_id: text(&write.machine_id),
        serial: crate::domain::asset::serial_key(&text(&write.serial)),
        hostname: crate::domain::asset::hostname_key(&text(&write.hostname)),
    }
}

/// Writes what a record says into an asset, but for its host.
fn apply(asset: &mut StoredAsset, write: &AssetWrite) -> BTreeSet<&'static str> {
    let mut changed: BTreeSet<&'static str> =
        write_labels(&mut asset.labels, write).into_iter().collect();
    for (field, change, held) in [
        (
            "inventoryNumber",
            &write.inventory_number,
            &mut asset.inventory_number,
        ),
        ("hostname", &write.hostname, &mut asset.hostname),
        ("machineId", &write.machine_id, &mut asset.machine_id),
        ("serial", &write.serial, &mut asset.serial),
        ("vendor", &write.vendor, &mut asset.vendor),
        ("model", &write.model, &mut asset.model),
    ] {
        let wanted = match change {
            Change::Keep => continue,
            Change::Clear => String::new(),
            Change::Set(text) => text.clone(),
        };
        if *held != wanted {
            *held = wanted;
            changed.insert(field);
        }
    }
    for (field, change, held) in [
        ("warrantyEnd", &write.warranty_end, &mut asset.warranty_end),
        ("endOfLife", &write.end_of_life, &mut asset.end_of_life),
    ] {
        let wanted = match change {
            Change::Keep => continue,
            Change::Clear => None,
            Change::Set(day) => Some(*day),
        };
        if *held != wanted {
            *held = wanted;
            changed.insert(field);
        }
    }
    let site = match &write.site {
        Change::Keep => asset.site,
        Change::Clear => None,
        Change::Set(site) => Some(*site),
    };
    if site != asset.site {
        asset.site = site;
        changed.insert("siteId");
    }
    changed
}

impl Inventory {
    pub(super) async fn write_asset(
        &self,
        ctx: &RequestContext,
        write: AssetWrite,
        origin: AssetOrigin,
    ) -> ServiceResult<AssetUpserted> {
        let tx = self.db.write(ctx).await?;
        let (drafts, fleet) = self.draft_one(&tx, ctx, write, origin).await?;
        let (id, outcome) = self.tell_written(&tx, ctx, &drafts, origin).await?;
        let after = self.keep(&tx, ctx, &drafts, &fleet).await?;
        tx.commit().await?;
        self.hint().await;
        self.judge_later(&after);
        let tx = self.db.read(ctx).await?;
        let asset = store::asset::get(&tx, ctx, id)
            .await?
            .ok_or_else(|| ServiceError::not_found("asset"))?;
        Ok(AssetUpserted {
            asset: asset.into_asset(),
            outcome,
        })
    }

    /// Decides what a single record does.
    pub(super) async fn draft_one(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        write: AssetWrite,
        origin: AssetOrigin,
    ) -> ServiceResult<(Drafts, Fleet)> {
        let row = AssetRow { line: 1, write };
        match self.draft(tx, ctx, vec![row], origin).await? {
            (drafts, fleet, refused) if refused.is_empty() => Ok((drafts, fleet)),
            (.., mut refused) => {
                let first = refused.swap_remove(0);
                let message = match first.remedy.as_str() {
                    "" => first.error.message,
                    remedy => format!("{}; {remedy}", first.error.message),
                };
                Err(ServiceError {
                    message,
                    ..*first.error
                })
            }
        }
    }

    /// Tells what a single record did.
    pub(super) async fn tell_written(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        drafts: &Drafts,
        origin: AssetOrigin,
    ) -> ServiceResult<(AssetId, AssetOutcome)> {
        let said = drafts.said().ok_or_else(ServiceError::internal)?;
        let (id, outcome) = (said.asset.id, said.outcome());
        if outcome != AssetOutcome::Unchanged {
            let event = InventoryEventV1::AssetChanged {
                asset: id,
                host: said.asset.host(),
                is_new: outcome == AssetOutcome::Created,
                fields: said
                    .fields
                    .iter()
                    .map(|field| (*field).to_owned())
                    .collect(),
                origin,
                by: ctx.actor.clone(),
            };
            self.tell_about(tx, id.0, event).await?;
        }
        Ok((id, outcome))
    }

    pub(super) async fn write_assets(
        &self,
        ctx: &RequestContext,
        request: AssetImport,
        digest: Sha256,
    ) -> ServiceResult<AssetImported> {
        let tx = self.db.write(ctx).await?;
        let (drafts, fleet, mut refused) =
            self.draft(&tx, ctx, request.rows, request.origin).await?;
        refused.sort_by_key(|refused| refused.line);
        let mut done = AssetImported {
            error_count: u64::try_from(refused.len()).unwrap_or(u64::MAX),
            errors: refused
                .into_iter()
                .take(MAX_LISTED_ERRORS)
                .map(|refused| LineError {
                    line: refused.line,
                    column: refused.field.to_owned(),
                    message: refused.error.message,
                    remedy: refused.remedy,
                })
                .collect(),
            ..AssetImported::default()
        };
        for draft in drafts.all.iter().filter(|draft| draft.line.is_some()) {
            match draft.outcome() {
                AssetOutcome::Created => done.created += 1,
                AssetOutcome::Changed => done.changed += 1,
                AssetOutcome::Unchanged => done.unchanged += 1,
            }
            if matches!(draft.asset.link, AssetLink::Ambiguous { .. }) {
                done.ambiguous += 1;
            }
        }
        if done.error_count > 0 || request.dry_run {
            tx.rollback().await?;
            return Ok(done);
        }
        if done.created + done.changed > 0 {
            let event = InventoryEventV1::AssetsImported {
                created: done.created,
                changed: done.changed,
                unchanged: done.unchanged,
                origin: request.origin,
                digest,
                by: ctx.actor.clone(),
            };
            self.tell_about(&tx, ctx.request_id, event).await?;
        }
        let after = self.keep(&tx, ctx, &drafts, &fleet).await?;
        tx.commit().await?;
        self.hint().await;
        self.judge_later(&after);
        Ok(done)
    }

    /// Decides what every row does. With one refusal nothing may be kept.
    async fn draft(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        rows: Vec<AssetRow>,
        origin: AssetOrigin,
    ) -> ServiceResult<(Drafts, Fleet, Vec<Refused>)> {
        store::asset::lock(tx).await?;
        let mut refused = Vec::new();
        let mut said = Vec::with_capacity(rows.len());
        let mut wanted = Wanted::default();
        for AssetRow { line, write } in rows {
            match checked(write) {
                Err(FieldError {
                    field,
                    message,
                    remedy,
                }) => {
                    refused.push(Refused::new(line, field, message, remedy));
                }
                Ok(write) => {
                    wanted.keys(&keys_of(&write));
                    wanted.ids.extend(write.id.map(|id| id.0));
                    wanted.hosts.extend(write.host.value().map(|host| host.0));
                    said.push((line, write));
                }
            }
        }
        let mut known = store::asset::matching(tx, &wanted).await?;
        let near = known.iter().map(|asset| asset.id).collect();
        // Whoever shares a key with one of those is a rival for its host.
        for asset in &known {
            wanted.keys(&asset.keys());
            wanted.hosts.extend(asset.host().map(|host| host.0));
        }
        known = if known.is_empty() {
            known
        } else {
            store::asset::matching(tx, &wanted).await?
        };
        let mut drafts = Drafts::of(known, &near);
        for (line, write) in &said {
            if let Err(refusal) = self.take(ctx, &mut drafts, *line, write, origin) {
                refused.push(refusal);
            }
        }
        let fleet = Fleet::load(tx, &drafts, &wanted).await?;
        refused.extend(link_all(ctx, &mut drafts, &fleet));
        for draft in &mut drafts.all {
            if draft.before.as_ref() != Some(&draft.asset) {
                draft.asset.version += 1;
                draft.asset.updated_at = self.clock.now();
                draft.asset.origin = origin;
            }
        }
        Ok((drafts, fleet, refused))
    }

    /// Finds or makes the asset of a row and writes into it what the row says.
    fn take(
        &self,
        ctx: &RequestContext,
        drafts: &mut Drafts,
        line: u64,
        write: &AssetWrite,
        origin: AssetOrigin,
    ) -> Result<(), Refused> {
        let not_found = || Refused {
            line,
            field: "id",
            error: Box::new(ServiceError {
                path: vec!["id".to_owned()],
                ..ServiceError::not_found("asset")
            }),
            remedy: "leave the id out for a new asset".to_owned(),
        };
        let found = match write.id {
            Some(id) => Some(*drafts.by_id.get(&id).ok_or_else(not_found)?),
            None => {
                let keys = keys_of(write);
                let sharing = drafts.sharing(&keys);
                let held: Vec<(usize, Keys)> = sharing
                    .into_iter()
                    .map(|at| (at, drafts.all[at].asset.keys()))
                    .collect();
                let known: Vec<(usize, &Keys)> =
                    held.iter().map(|(at, keys)| (*at, keys)).collect();
                match identify(&keys, &known) {
                    Identity::Is(at) => Some(at),
                    Identity::New => None,
                    Identity::Unclear(why) => {
                        return Err(Refused::new(
                            line,
                            "",
                            format!("nobody can say which asset this is: {why}"),
                            "give its id, or mend the keys that contradict",
                        ));
                    }
                }
            }
        };
        let at = match found {
            Some(at) => at,
            None => {
                if keys_of(write) == Keys::default() {
                    return Err(Refused::new(
                        line,
                        "hostname",
                        "nothing says which machine this is",
                        "give an inventory number, a machine id, a serial number or a hostname",
                    ));
                }
                drafts.push(self.fresh(ctx, origin).map_err(|error| Refused {
                    line,
                    field: "siteId",
                    error: Box::new(error),
                    remedy: String::new(),
                })?)
            }
        };
        let draft = &mut drafts.all[at];
        if let Some(other) = draft.line {
            return Err(Refused::new(
                line,
                "",
                format!("is about the same asset as line {other}"),
                "say everything of an asset in one line",
            ));
        }
        draft.line = Some(line);
        if draft.before.is_some() && !reaches(ctx, draft.asset.host_site.or(draft.asset.site)) {
            return Err(not_found());
        }
        ServiceError::unless_read(write.if_match.as_deref(), &draft.asset.etag()).map_err(
            |error| Refused {
                line,
                field: "ifMatch",
                error: Box::new(error),
                remedy: String::new(),
            },
        )?;
        let number = write.inventory_number.value().filter(|number| {
            // The index has the asset itself under the numbers that it had.
            **number != drafts.all[at].asset.inventory_number && drafts.having(0, number) > 0
        });
        if number.is_some() {
            return Err(Refused::new(
                line,
                "inventoryNumber",
                "another asset has this inventory number",
                "give each asset a number of its own",
            ));
        }
        let draft = &mut drafts.all[at];
        draft.fields = apply(&mut draft.asset, write);
        draft.named = match write.host {
            Change::Keep => None,
            Change::Clear => Some(None),
            Change::Set(host) => Some(Some(host)),
        };
        if draft.asset.host().is_none()
            && draft.named.is_none_or(|named| named.is_none())
            && !reaches(ctx, draft.asset.site)
        {
            return Err(Refused {
                line,
                field: "siteId",
                error: Box::new(ServiceError {
                    path: vec!["siteId".to_owned()],
                    ..ServiceError::not_found("site")
                }),
                remedy: "name one of your sites".to_owned(),
            });
        }
        if draft.asset.labels.len() > crate::service::host::MAX_LABELS {
            return Err(Refused::new(
                line,
                "tags",
                "the host would have too many labels",
                "give fewer tags",
            ));
        }
        drafts.index(at);
        Ok(())
    }

    /// An asset of which nothing is known.
    fn fresh(&self, ctx: &RequestContext, origin: AssetOrigin) -> ServiceResult<Draft> {
        let now = self.clock.now();
        let own_site = match ctx.sites.as_deref() {
            Some([site]) => Some(*site),
            _ => None,
        };
        Ok(Draft {
            asset: StoredAsset {
                id: AssetId::new(now),
                tenant: ctx.tenant()?,
                link: AssetLink::Unlinked,
                site: own_site,
                host_site: None,
                inventory_number: String::new(),
                hostname: String::new(),
                machine_id: String::new(),
                serial: String::new(),
                vendor: String::new(),
                model: String::new(),
                warranty_end: None,
                end_of_life: None,
                labels: Labels::new(),
                is_held: false,
                origin,
                version: 0,
                host_version: None,
                created_at: now,
                updated_at: now,
            },
            before: None,
            line: None,
            named: None,
            is_near: true,
            fields: BTreeSet::new(),
        })
    }
}

/// Whether the request reaches what stands on a site; what stands nowhere is for those who reach every site.
pub(super) fn reaches(ctx: &RequestContext, site: Option<netpatch_types::SiteId>) -> bool {
    ctx.sites
        .as_ref()
        .is_none_or(|allowed| site.is_some_and(|site| allowed.contains(&site)))
}
