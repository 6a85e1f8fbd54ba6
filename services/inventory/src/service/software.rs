//! Documents that say what machines without an agent consist of. What an agent says is never replaced.

use crate::domain::manifest::{by_name, manifest_hash};
use crate::domain::software::OperatingSystem;
use crate::domain::{cyclonedx, glpi};
use crate::service::Inventory;
use crate::service::asset::Machine;
use crate::service::ingest::Content;
use crate::store;
use netpatch_inventory_api::{
    AssetWrite, Change, Host, HostFacts, InventoryEventV1, MAX_DOCUMENT_BYTES, SoftwareDocument,
    SoftwareImport, SoftwareImported, SoftwareOrigin, SoftwareSkipped,
};
use netpatch_storage::TenantTx;
use netpatch_types::{
    ComponentKey, ErrorCode, HostId, RequestContext, ServiceError, ServiceResult, Sha256, SiteId,
};

/// What a document says, whatever its form.
struct Told {
    machine: AssetWrite,
    os: OperatingSystem,
    arch: String,
    components: Vec<ComponentKey>,
    /// Of the document.
    digest: Sha256,
    /// What is answered already.
    done: SoftwareImported,
}

fn read(document: &SoftwareDocument) -> ServiceResult<Told> {
    let (machine, os, arch, components, told, digest) = match document {
        SoftwareDocument::CycloneDx(text) => {
            if text.len() > MAX_DOCUMENT_BYTES {
                return Err(ServiceError::new(
                    ErrorCode::LimitExceeded,
                    format!("the document has more than {MAX_DOCUMENT_BYTES} bytes"),
                ));
            }
            let read = cyclonedx::read(text)
                .map_err(|refused| ServiceError::invalid("body", refused.to_string()))?;
            let digest = Sha256::of(text.as_bytes());
            (
                read.machine,
                read.os,
                read.arch,
                read.components,
                read.told,
                digest,
            )
        }
        SoftwareDocument::Glpi(said) => {
            let read = glpi::read(said)
                .map_err(|refused| ServiceError::invalid("body", refused.to_string()))?;
            let bytes = serde_json::to_vec(said).map_err(|_| ServiceError::internal())?;
            let arch = crate::domain::software::fact(&said.os_arch);
            (
                AssetWrite::default(),
                read.os,
                arch,
                read.components,
                read.told,
                Sha256::of(&bytes),
            )
        }
    };
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let done = SoftwareImported {
        components: count(components.len()),
        duplicates: told.duplicates,
        without_source: told.without_source,
        without_epoch: told.without_epoch,
        skipped: told.into_skipped(),
        ..SoftwareImported::default()
    };
    Ok(Told {
        machine,
        os,
        arch,
        components,
        digest,
        done,
    })
}

/// What the request says of the machine outweighs the document.
fn machine(asked: AssetWrite, document: AssetWrite) -> AssetWrite {
    let or = |asked: Change<String>, document| match asked {
        Change::Keep => document,
        said => said,
    };
    AssetWrite {
        hostname: or(asked.hostname, document.hostname),
        serial: or(asked.serial, document.serial),
        vendor: or(asked.vendor, document.vendor),
        model: or(asked.model, document.model),
        ..asked
    }
}

/// What a document says of its host besides the machine; what it does not say stays.
fn facts(mut facts: HostFacts, told: &Told) -> HostFacts {
    let os = &told.os;
    if !os.id.is_empty() {
        facts.os_id.clone_from(&os.id);
        facts.os_version.clone_from(&os.version);
        facts.os_name.clone_from(&os.name);
        facts.os_release = os.release();
    }
    if !told.arch.is_empty() {
        facts.arch.clone_from(&told.arch);
    }
    facts
}

/// What was passed over, in one sentence.
fn sentence(skipped: &[SoftwareSkipped]) -> String {
    let reasons: Vec<String> = skipped
        .iter()
        .map(|one| format!("{}: {}", one.count, one.reason.message()))
        .collect();
    reasons.join("; ")
}

impl Inventory {
    pub(super) async fn import_software(
        &self,
        ctx: &RequestContext,
        request: SoftwareImport,
    ) -> ServiceResult<SoftwareImported> {
        let origin = request.document.origin();
        let told = read(&request.document)?;
        let is_strict = origin == SoftwareOrigin::CycloneDx;
        if is_strict && told.components.is_empty() {
            let reasons = sentence(&told.done.skipped);
            return Err(ServiceError::invalid(
                "body",
                format!("the document names no package that can be taken ({reasons})"),
            ));
        }
        let write = machine(request.machine, told.machine.clone());
        let tx = self.db.write(ctx).await?;
        let machine = self
            .find_machine(&tx, ctx, request.host, write, request.site, origin, &told)
            .await?;
        let mut done = SoftwareImported {
            asset: machine.asset,
            ..told.done.clone()
        };
        let host = match machine.host {
            Ok(host) => host,
            // Whoever hands in a document for its software wants to know that it was in vain.
            Err(why) if is_strict => return Err(ServiceError::invalid_state(why)),
            Err(why) => {
                done.left = why;
                None
            }
        };
        let hash = manifest_hash(&told.components);
        if let Some(host) = &host {
            done.is_new_host = machine.is_new;
            done.is_changed = host.manifest != Some(hash);
            done.host = Some(host.id).filter(|_| !(machine.is_new && request.dry_run));
        }
        if request.dry_run {
            tx.rollback().await?;
            return Ok(done);
        }
        if let Some(host) = &host {
            let now = self.clock.now();
            let facts = facts(host.facts.clone(), &told);
            store::software::told(&tx, host.id, &facts, origin, now).await?;
            if done.is_changed {
                let skipped = done.skipped.iter().map(|one| one.count).sum();
                let event = InventoryEventV1::SoftwareImported {
                    host: host.id,
                    origin,
                    components: done.components,
                    skipped,
                    digest: told.digest,
                    by: ctx.actor.clone(),
                };
                self.tell_about(&tx, host.id.0, event).await?;
            }
        }
        tx.commit().await?;
        self.hint().await;
        self.judge_later(&machine.judge);
        if let Some(host) = host.filter(|_| done.is_changed) {
            let outcome = self
                .take_components(ctx, host.id, hash, &told.components)
                .await?;
            (done.opened, done.closed) = (outcome.opened, outcome.closed);
            done.evaluated = outcome.evaluated;
        }
        Ok(done)
    }

    /// The host that a document is about, locked, or why its software is left alone.
    #[expect(
        clippy::too_many_arguments,
        reason = "all of them say which machine it is"
    )]
    async fn find_machine(
        &self,
        tx: &TenantTx,
        ctx: &RequestContext,
        named: Option<HostId>,
        write: AssetWrite,
        site: Option<SiteId>,
        origin: SoftwareOrigin,
        told: &Told,
    ) -> ServiceResult<Found> {
        let found = match named {
            Some(host) => Machine {
                asset: None,
                host: Ok(host),
                is_new: false,
                judge: Vec::new(),
            },
            None => {
                let fresh =
                    (!told.components.is_empty()).then(|| facts(HostFacts::default(), told));
                self.machine(tx, ctx, write, origin, site, fresh).await?
            }
        };
        let host = match found.host {
            Err(why) => Err(why),
            Ok(id) => {
                let stored = store::host::lock(tx, ctx, id)
                    .await?
                    .ok_or_else(|| ServiceError::not_found("host"))?;
                match stored.host.software_from {
                    SoftwareOrigin::Agent => Err(format!(
                        "{} has an agent, and what it reports is exact: its software is taken from nothing else",
                        stored.host.facts.hostname
                    )),
                    _ if told.components.is_empty() => {
                        Err("nothing that it lists could be taken".to_owned())
                    }
                    _ => Ok(Some(stored.host)),
                }
            }
        };
        Ok(Found {
            asset: found.asset,
            host,
            is_new: found.is_new,
            judge: found.judge,
        })
    }

    async fn take_components(
        &self,
        ctx: &RequestContext,
        host: HostId,
        hash: Sha256,
        keys: &[ComponentKey],
    ) -> ServiceResult<netpatch_inventory_api::ManifestOutcome> {
        let turn = self.ingest.turns.acquire().await;
        let mut components = self.known(keys).await?;
        drop(turn);
        components.sort_by(|one, other| by_name(&one.key, &other.key));
        let content = Content::of(components.into());
        self.write_report(ctx, host, hash, content).await
    }
}

/// The machine of a document, with its host.
struct Found {
    asset: Option<netpatch_types::AssetId>,
    host: Result<Option<Host>, String>,
    is_new: bool,
    judge: Vec<uuid::Uuid>,
}
