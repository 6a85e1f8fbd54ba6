//! Importing, exporting and accepting feeds.

use crate::fetch::FeedSource;
use crate::pack::{FileSet, PackFiles};
use crate::service::Inventory;
use crate::service::feed_epoch::Offer;
use crate::store;
use crate::store::feed_file::State;
use netpatch_inventory_api::{FeedAccept, FeedExport, FeedExported, FeedImport, FeedStatus};
use netpatch_types::{
    ActorKind, OrganizationId, Permission, RequestContext, ServiceError, ServiceResult, Sha256,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Who may decide about feeds by the API, and where feeds come from.
#[derive(Clone, Debug, Default)]
pub struct FeedSettings {
    /// Organizations whose administrators may accept a feed for the whole platform. None by default: then only the command line may.
    pub operators: Vec<OrganizationId>,
    /// Where feeds are fetched from.
    pub sources: Vec<FeedSource>,
    /// Sources may be plain HTTP and inside the network: for a mirror.
    pub allow_private: bool,
}

impl FeedSettings {
    /// Reads what the configuration says; an error names the key.
    pub fn of(
        operators: &[String],
        sources: &[toml::Table],
        allow_private: bool,
    ) -> Result<Self, String> {
        let operator = |id: &String| {
            OrganizationId::parse_public(id)
                .map(|(_, id)| id)
                .ok_or_else(|| format!("feeds.operators: {id:?} is no organization's id"))
        };
        let source = |table: &toml::Table| {
            let source: FeedSource = table
                .clone()
                .try_into()
                .map_err(|error| format!("feeds.sources: {}", error.to_string().trim()))?;
            source.check()?;
            Ok::<_, String>(source)
        };
        Ok(Self {
            operators: operators.iter().map(operator).collect::<Result<_, _>>()?,
            sources: sources.iter().map(source).collect::<Result<_, _>>()?,
            allow_private,
        })
    }
}

impl Inventory {
    pub(super) async fn import(&self, request: FeedImport) -> ServiceResult<Vec<FeedStatus>> {
        let dir = PathBuf::from(&request.pack_dir);
        let files = blocking(move || PackFiles::open(&dir)?.by_feed()).await?;
        match files {
            Ok(files) => self.take_in(Offer::of(files)).await,
            Err(error) => Err(self.refuse(&error.into()).await?),
        }
    }

    /// Takes what waits: the feed was refused or held back, and a person says that it is right.
    pub(super) async fn accept(
        &self,
        ctx: &RequestContext,
        request: FeedAccept,
    ) -> ServiceResult<Vec<FeedStatus>> {
        self.may_accept(ctx)?;
        let tx = self.db.directory_tx().await?;
        let mut waiting = store::feed_file::all(&tx, State::Waiting).await?;
        tx.rollback().await?;
        if let Some(name) = &request.name {
            waiting.retain(|feed, _| feed == name);
        }
        if waiting.is_empty() {
            return Err(ServiceError::not_found("feed that waits"));
        }
        tracing::info!(feeds = ?waiting.keys().collect::<Vec<_>>(), by = ctx.actor.display, "feeds accepted by a person");
        self.take_in(Offer {
            is_accepted: true,
            ..Offer::of(waiting)
        })
        .await
    }

    /// Advisories are the platform's, not one organization's, so not every administrator may decide about them.
    fn may_accept(&self, ctx: &RequestContext) -> ServiceResult<()> {
        if ctx.actor.kind == ActorKind::System {
            return Ok(());
        }
        ctx.require(Permission::Admin)?;
        let is_person = ctx.actor.kind == ActorKind::User;
        if is_person && self.feeds.operators.contains(&ctx.tenant()?) {
            return Ok(());
        }
        Err(ServiceError::forbidden(
            "feeds are shared by all organizations: an administrator of one that `feeds.operators` names may do this, \
             or `netpatch feed accept` on the platform's machine",
        ))
    }

    pub(super) async fn export(&self, request: FeedExport) -> ServiceResult<FeedExported> {
        let tx = self.db.directory_tx().await?;
        let held = store::feed_file::all(&tx, State::Held).await?;
        let status = store::feed::list(&tx).await?;
        tx.rollback().await?;
        if held.is_empty() {
            return Err(ServiceError::not_found("feed that is held"));
        }
        let licences = licences(&status);
        let dir = PathBuf::from(request.pack_dir);
        let wrong = |error: std::io::Error| {
            ServiceError::invalid("packDir", format!("writing the pack failed: {error}"))
        };
        blocking(move || write(&dir, &held, &licences))
            .await?
            .map_err(wrong)
    }
}

/// Does work that takes its time away from the runtime.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> ServiceResult<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "work on a feed died");
        ServiceError::internal()
    })
}

/// One line a feed; the same feeds give the same text.
fn licences(feeds: &[FeedStatus]) -> String {
    let mut text =
        String::from("Feeds of this pack, their licences, and what they do not say.\n\n");
    for feed in feeds.iter().filter(|feed| feed.imported_at.is_some()) {
        let _ = writeln!(
            text,
            "{}: {}. Limits: {}.",
            feed.name, feed.licence, feed.limits
        );
    }
    text
}

/// Writes the files as they came, with `SHA256SUMS`. The same files give the same pack, byte by byte.
fn write(
    dir: &Path,
    held: &BTreeMap<String, FileSet>,
    licences: &str,
) -> std::io::Result<FeedExported> {
    std::fs::create_dir_all(dir)?;
    if std::fs::read_dir(dir)?.next().is_some() {
        return Err(std::io::Error::new(
            std::io::ErrorKind::AlreadyExists,
            format!("{} is not empty", dir.display()),
        ));
    }
    let mut exported = FeedExported {
        feeds: held.keys().cloned().collect(),
        ..FeedExported::default()
    };
    let mut files: BTreeMap<&str, &[u8]> = held
        .values()
        .flatten()
        .map(|(path, bytes)| (path.as_str(), bytes.as_ref()))
        .collect();
    files.insert("LICENCES.txt", licences.as_bytes());
    let mut sums = String::new();
    for (path, bytes) in files {
        let full = dir.join(path);
        if let Some(folder) = full.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&full, bytes)?;
        let _ = writeln!(sums, "{}  ./{path}", Sha256::of(bytes));
        exported.files += 1;
        exported.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    }
    // Last: a pack that was torn off has no sums and is seen to be.
    std::fs::write(dir.join("SHA256SUMS"), sums)?;
    Ok(exported)
}
