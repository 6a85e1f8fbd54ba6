//! Reports of manifests on their way into the database.
//!
//! Reports of an organization that come while a batch of it is being written wait and become the next batch, so a lone report
//! waits for nobody and ten thousand share a few transactions. Who reported is answered after the commit. While few reports are
//! under way they are evaluated before they are answered; other hosts wait for the job, which is woken.

mod addition;
mod carried;
mod shelf;

use addition::Additions;
pub(crate) use carried::Carrying;
pub(crate) use shelf::{Components, Content, Shelf};

use crate::domain::link::pending_update;
use crate::service::Inventory;
use crate::service::evaluation::Evaluation;
use crate::store;
use crate::store::report::Offered;
use netpatch_inventory_api::ManifestOutcome;
use netpatch_storage::{StorageError, StorageResult};
use netpatch_types::{
    HostId, RequestContext, ServiceError, ServiceResult, Sha256, SiteId, TenantId,
};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Most hosts of one transaction.
const BATCH: usize = 512;
/// Transactions of one organization at once: one is prepared while another commits.
const WRITERS: usize = 2;
/// While no more reports than these are under way they are evaluated before they are answered.
const AT_ONCE: usize = 16;
/// Most reports that wait; more wait for their turn to wait.
const WAITING: usize = 20_000;
/// Reports that ask the database at the same time for what this process does not know: fewer than there are connections.
const ASKING: usize = 6;
/// Reports that are verified at the same time. That is work of the processor: if all began at once, what waits for the database
/// would wait behind all of them.
const VERIFYING: usize = 8;
/// Times that a batch is tried when it collides with another process.
const ATTEMPTS: u32 = 5;

/// Nothing changed.
pub(super) const UNCHANGED: ManifestOutcome = ManifestOutcome {
    base_known: true,
    opened: 0,
    closed: 0,
    evaluated: true,
};

/// A verified report that waits for its batch.
struct Report {
    host: HostId,
    hash: Sha256,
    content: Content,
    /// Where the request may write; `None`: everywhere.
    sites: Option<Vec<SiteId>>,
    answer: oneshot::Sender<ServiceResult<ManifestOutcome>>,
}

/// What waits of one organization.
#[derive(Default)]
struct Queue {
    reports: VecDeque<Report>,
    /// Hosts of the batches that are being written: their next report waits, so that a host's reports keep their order.
    hosts: HashSet<HostId>,
    writers: usize,
}

impl Queue {
    /// The next batch, a host at most once.
    fn next(&mut self) -> Vec<Report> {
        let mut batch = Vec::new();
        let mut later = VecDeque::new();
        while batch.len() < BATCH {
            let Some(report) = self.reports.pop_front() else {
                break;
            };
            if self.hosts.insert(report.host) {
                batch.push(report);
            } else {
                later.push_back(report);
            }
        }
        while let Some(report) = later.pop_back() {
            self.reports.push_front(report);
        }
        batch
    }
}

/// Queues and what makes reports cheap. All of it can be lost.
pub(crate) struct Ingest {
    queues: Mutex<HashMap<TenantId, Queue>>,
    places: Semaphore,
    /// Turns to ask the database before a report can wait for its batch.
    pub(super) turns: Semaphore,
    /// Reports that change something and are not answered yet.
    under_way: AtomicUsize,
    /// Turns to verify.
    pub(super) verifying: Semaphore,
    /// Components on their way into the catalog.
    additions: Additions,
    /// What hosts carry.
    pub(super) carried: Carrying,
    /// Manifests in memory.
    pub(super) shelf: Shelf,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            queues: Mutex::default(),
            places: Semaphore::new(WAITING),
            turns: Semaphore::new(ASKING),
            under_way: AtomicUsize::new(0),
            verifying: Semaphore::new(VERIFYING),
            additions: Additions::default(),
            carried: Carrying::default(),
            shelf: Shelf::default(),
        }
    }
}

/// A report under way; it ends however the report ends.
pub(super) struct UnderWay<'a>(&'a AtomicUsize);

impl Ingest {
    /// A report that changes something begins.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.under_way)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A writer's turn; it ends however the writer ends.
struct Turn {
    inventory: Arc<Inventory>,
    tenant: TenantId,
    hosts: Vec<HostId>,
}

impl Turn {
    /// Ends the batch; the next one, or nothing left, and the turn is over.
    fn next(&mut self) -> Vec<Report> {
        self.inventory.with_queue(self.tenant, |queue| {
            for host in self.hosts.drain(..) {
                queue.hosts.remove(&host);
            }
            let batch = queue.next();
            self.hosts.extend(batch.iter().map(|report| report.host));
            batch
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let hosts = std::mem::take(&mut self.hosts);
        self.inventory.with_queue(self.tenant, |queue| {
            for host in hosts {
                queue.hosts.remove(&host);
            }
            queue.writers = queue.writers.saturating_sub(1);
        });
        self.inventory.start_writer(self.tenant);
    }
}

/// What a batch did with one report.
enum Written {
    Changed,
    Unchanged,
    Absent,
}

impl Inventory {
    fn with_queue<T>(&self, tenant: TenantId, work: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queues = self
            .ingest
            .queues
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(tenant).or_default();
        let done = work(queue);
        if queue.reports.is_empty() && queue.writers == 0 {
            queues.remove(&tenant);
        }
        done
    }

    /// Puts a verified report into the next batch and waits until it has been written.
    pub(super) async fn write_report(
        &self,
        ctx: &RequestContext,
        host: HostId,
        hash: Sha256,
        content: Content,
    ) -> ServiceResult<ManifestOutcome> {
        let tenant = ctx.tenant()?;
        let place = self.ingest.places.acquire().await;
        let (answer, written) = oneshot::channel();
        let sites = ctx.sites.clone();
        self.with_queue(tenant, |queue| {
            queue.reports.push_back(Report {
                host,
                hash,
                content,
                sites,
                answer,
            });
        });
        self.start_writer(tenant);
        let outcome = written.await.unwrap_or_else(|_| {
            tracing::error!(%host, "the writer of a report died");
            Err(ServiceError::internal())
        });
        drop(place);
        outcome
    }

    /// Starts a writer if something waits that no writer will take.
    fn start_writer(&self, tenant: TenantId) {
        let Some(inventory) = self.this.upgrade() else {
            return;
        };
        let is_needed = self.with_queue(tenant, |queue| {
            let takes = queue
                .reports
                .iter()
                .any(|report| !queue.hosts.contains(&report.host));
            let is_needed = takes && queue.writers < WRITERS;
            queue.writers += usize::from(is_needed);
            is_needed
        });
        if is_needed {
            let mut turn = Turn {
                inventory,
                tenant,
                hosts: Vec::new(),
            };
            tokio::spawn(async move {
                loop {
                    let batch = turn.next();
                    if batch.is_empty() {
                        return;
                    }
                    let inventory = Arc::clone(&turn.inventory);
                    inventory.write_batch(tenant, batch).await;
                }
            });
        }
    }

    async fn write_batch(&self, tenant: TenantId, batch: Vec<Report>) {
        metrics::histogram!("inventory_report_batch").record(count(batch.len()));
        let written = match self.write_repeating(tenant, &batch).await {
            Ok(written) => written,
            Err(error) if batch.len() == 1 => {
                tracing::warn!(%error, "a report could not be written");
                for report in batch {
                    let _ = report.answer.send(Err(refused(&error)));
                }
                return;
            }
            Err(error) => {
                // One bad report must not refuse the others.
                tracing::warn!(%error, reports = batch.len(), "a batch of reports could not be written, trying one by one");
                for report in batch {
                    Box::pin(self.write_batch(tenant, vec![report])).await;
                }
                return;
            }
        };
        let changed: Vec<HostId> = batch
            .iter()
            .zip(&written)
            .filter(|(_, written)| matches!(written, Written::Changed))
            .map(|(report, _)| report.host)
            .collect();
        metrics::counter!("inventory_manifests_total").increment(count64(changed.len()));
        for (report, written) in batch.iter().zip(&written) {
            if matches!(written, Written::Changed) {
                let components = Arc::clone(&report.content.components);
                self.ingest.shelf.put(tenant, report.hash, components);
            }
        }
        let evaluated = self.evaluate_at_once(tenant, &changed).await;
        for (report, written) in batch.into_iter().zip(written) {
            let outcome = match written {
                Written::Absent => Err(ServiceError::not_found("host")),
                Written::Unchanged => Ok(UNCHANGED),
                Written::Changed => {
                    let done = evaluated.get(&report.host);
                    Ok(ManifestOutcome {
                        base_known: true,
                        opened: done.map_or(0, |done| done.opened),
                        closed: done.map_or(0, |done| done.closed),
                        evaluated: done.is_some(),
                    })
                }
            };
            if outcome.is_ok() {
                self.ingest
                    .carried
                    .remember(tenant, report.host, report.hash);
            }
            let _ = report.answer.send(outcome);
        }
    }

    /// Evaluates a few hosts now; leaves more, and what cannot be done now, to the job.
    async fn evaluate_at_once(
        &self,
        tenant: TenantId,
        hosts: &[HostId],
    ) -> HashMap<HostId, Evaluation> {
        if hosts.is_empty() {
            return HashMap::new();
        }
        // While many reports are under way, they are what counts.
        if self.ingest.under_way.load(Ordering::Relaxed) > AT_ONCE {
            self.reported.notify_one();
            return HashMap::new();
        }
        match self.evaluate_waiting(tenant, Some(hosts)).await {
            Ok(done) => {
                if done.len() < hosts.len() {
                    self.reported.notify_one();
                }
                self.hint().await;
                done
            }
            Err(error) => {
                tracing::warn!(%error, "reports are written but not evaluated yet, trying again");
                self.reported.notify_one();
                HashMap::new()
            }
        }
    }

    async fn write_repeating(
        &self,
        tenant: TenantId,
        batch: &[Report],
    ) -> StorageResult<Vec<Written>> {
        let mut attempt = 1;
        loop {
            match self.try_write(tenant, batch).await {
                Err(error) if error.is_contended() && attempt < ATTEMPTS => {
                    tokio::time::sleep(Duration::from_millis(10) * attempt).await;
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// One transaction: whatever is not as reported, in as many statements as one host needs.
    async fn try_write(&self, tenant: TenantId, batch: &[Report]) -> StorageResult<Vec<Written>> {
        let now = self.now();
        let ctx = RequestContext::system(tenant, "reports", now);
        let tx = self.db.write(&ctx).await?;
        store::evaluation::begin(&tx).await?;
        let hosts: Vec<HostId> = batch.iter().map(|report| report.host).collect();
        let before = store::report::lock(&tx, &hosts).await?;
        let mut written = Vec::with_capacity(batch.len());
        let mut manifests: BTreeMap<Sha256, &[u8]> = BTreeMap::new();
        let (mut carry, mut waits, mut changed) = (Vec::new(), Vec::new(), HashMap::new());
        for report in batch {
            let is_in_scope = |site: &SiteId| {
                let sites = report.sites.as_ref();
                sites.is_none_or(|sites| sites.contains(site))
            };
            written.push(match before.get(&report.host) {
                Some(before) if !is_in_scope(&before.site) => Written::Absent,
                None => Written::Absent,
                Some(before) if before.manifest == Some(report.hash) => Written::Unchanged,
                Some(before) => {
                    manifests.insert(report.hash, &report.content.stored);
                    carry.push((report.host, report.hash));
                    waits.push((report.host, before.manifest));
                    changed.insert(report.host.0, report);
                    Written::Changed
                }
            });
        }
        if carry.is_empty() {
            tx.rollback().await?;
            return Ok(written);
        }
        store::manifest::hold(&tx, &manifests, now).await?;
        store::report::carry(&tx, &carry, now).await?;
        store::evaluation::reported(&tx, &waits).await?;
        let hosts: Vec<HostId> = carry.iter().map(|(host, _)| *host).collect();
        let offered = store::report::offered(&tx, &hosts).await?;
        let done = installed(offered, &changed);
        if !done.is_empty() {
            store::report::prune(&tx, &done).await?;
        }
        tx.commit().await?;
        Ok(written)
    }
}

/// The updates that are not to be installed any more on the hosts that reported.
fn installed(offered: Vec<Offered>, reports: &HashMap<uuid::Uuid, &Report>) -> Vec<Offered> {
    let mut by_host: HashMap<uuid::Uuid, Vec<Offered>> = HashMap::new();
    for one in offered {
        by_host.entry(one.host_id).or_default().push(one);
    }
    let mut done = Vec::new();
    for (host, offered) in by_host {
        let Some(report) = reports.get(&host) else {
            continue;
        };
        let names: HashSet<&str> = offered.iter().map(|one| one.name.as_str()).collect();
        let components: Vec<_> = report
            .content
            .components
            .iter()
            .filter(|known| names.contains(known.key.name.as_str()))
            .map(|known| known.key.as_ref())
            .collect();
        let is_done = |one: &Offered| {
            let of_name = components
                .iter()
                .copied()
                .filter(|key| key.name == one.name);
            !pending_update(of_name, &one.arch, &one.candidate_version)
        };
        done.extend(offered.into_iter().filter(is_done));
    }
    done.sort_by(|one, other| {
        (one.host_id, &one.name, &one.arch).cmp(&(other.host_id, &other.name, &other.arch))
    });
    done
}

/// The error for each of those who wait for the same transaction.
fn refused(error: &StorageError) -> ServiceError {
    match error {
        StorageError::Unavailable(_) | StorageError::Contended(_) => {
            ServiceError::unavailable("database")
        }
        _ => ServiceError::internal(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "a metric of small numbers")]
fn count(length: usize) -> f64 {
    length as f64
}

fn count64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
