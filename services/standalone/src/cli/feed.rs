//! `netpatch feed import DIR|export DIR|accept NAME|status`: on the platform's own machine, whether `serve` is running or not.

use crate::Place;
use crate::cli::Output;
use crate::platform::{Store, bus};
use netpatch_inventory::Inventory;
use netpatch_inventory_api::{
    FeedAccept, FeedExport, FeedExported, FeedImport, FeedList, FeedStatus, InventoryApi as _,
};
use netpatch_types::{OrganizationId, RequestContext, ServiceResult, SystemClock};
use std::path::PathBuf;
use std::process::ExitCode;

/// Import advisory feeds, write them as a pack, or say how fresh they are.
#[derive(clap::Subcommand)]
pub(crate) enum Feed {
    /// Import an offline pack.
    Import {
        /// The pack's folder.
        dir: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Write the held feeds as an offline pack, which `import` takes again.
    Export {
        /// A folder that is empty or not there yet.
        dir: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Take newer files of a feed that were refused or held back, as they are.
    Accept {
        /// Which feed; absent: every one that waits.
        name: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Say how fresh every feed is, and what it does not say.
    Status {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(clap::Args)]
pub(crate) struct Common {
    #[command(flatten)]
    place: Place,
    /// What to print.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What was done.
enum Answer {
    /// How fresh the feeds are; whether the exit code tells of skipped records.
    Feeds(Vec<FeedStatus>, bool),
    Exported(FeedExported),
}

impl Feed {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.work())
    }

    fn common(&self) -> &Common {
        match self {
            Self::Import { common, .. }
            | Self::Export { common, .. }
            | Self::Accept { common, .. }
            | Self::Status { common } => common,
        }
    }

    async fn work(self) -> anyhow::Result<ExitCode> {
        let configuration = self.common().place.configuration(&[])?;
        let store = Store::join(&configuration).await?;
        let clock = SystemClock::shared();
        let ctx = RequestContext::system(OrganizationId(uuid::Uuid::nil()), "feed", clock.now());
        let inventory = Inventory::new(store.database.clone(), bus(&configuration).await?, clock);
        let asked = self.ask(&inventory, &ctx).await;
        drop(inventory);
        store.close().await;
        match asked? {
            Ok(Answer::Feeds(feeds, tells)) => {
                print(&feeds, self.common().output)?;
                let skipped = tells && feeds.iter().any(|feed| feed.skipped > 0);
                Ok(if skipped {
                    ExitCode::from(3)
                } else {
                    ExitCode::SUCCESS
                })
            }
            Ok(Answer::Exported(exported)) => {
                print_exported(&exported, self.common().output)?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => anyhow::bail!("{error}"),
        }
    }

    async fn ask(
        &self,
        inventory: &Inventory,
        ctx: &RequestContext,
    ) -> anyhow::Result<ServiceResult<Answer>> {
        let folder = |dir: &PathBuf| -> anyhow::Result<String> {
            Ok(std::path::absolute(dir)?.to_string_lossy().into_owned())
        };
        Ok(match self {
            Self::Import { dir, .. } => {
                let pack_dir = folder(dir)?;
                eprintln!("importing {pack_dir}");
                let done = inventory.feed_import(ctx, FeedImport { pack_dir }).await;
                done.map(|feeds| Answer::Feeds(feeds, true))
            }
            Self::Export { dir, .. } => {
                let pack_dir = folder(dir)?;
                let done = inventory.feed_export(ctx, FeedExport { pack_dir }).await;
                done.map(Answer::Exported)
            }
            Self::Accept { name, .. } => {
                let name = name.clone();
                let done = inventory.feed_accept(ctx, FeedAccept { name }).await;
                done.map(|feeds| Answer::Feeds(feeds, true))
            }
            Self::Status { .. } => {
                let done = inventory.feed_list(ctx, FeedList {}).await;
                done.map(|feeds| Answer::Feeds(feeds, false))
            }
        })
    }
}

fn print_exported(exported: &FeedExported, output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        let text = serde_json::json!({"version": 1, "exported": exported});
        println!("{}", serde_json::to_string(&text)?);
    } else {
        println!(
            "{} files of {} feeds, {} bytes: {}",
            exported.files,
            exported.feeds.len(),
            exported.bytes,
            exported.feeds.join(", ")
        );
    }
    Ok(())
}

fn print(feeds: &[FeedStatus], output: Output) -> anyhow::Result<()> {
    if output == Output::Json {
        println!(
            "{}",
            serde_json::to_string(&serde_json::json!({"version": 1, "feeds": feeds}))?
        );
        return Ok(());
    }
    let date = |at: Option<chrono::DateTime<chrono::Utc>>| {
        at.map(|at| at.format("%Y-%m-%d").to_string())
            .unwrap_or_else(|| "never".to_owned())
    };
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header([
        "FEED",
        "RECORDS",
        "SKIPPED",
        "DATA AS OF",
        "IMPORTED",
        "FETCHED",
        "WAITS FOR A PERSON",
        "LIMITS",
    ]);
    for feed in feeds {
        let skipped = feed.problem.as_ref().map_or_else(
            || feed.skipped.to_string(),
            |problem| format!("{} ({problem})", feed.skipped),
        );
        table.add_row([
            feed.name.clone(),
            feed.records.to_string(),
            skipped,
            date(feed.data_as_of),
            date(feed.imported_at),
            feed.fetched_at
                .map_or_else(String::new, |at| date(Some(at))),
            feed.waiting_for.clone().unwrap_or_default(),
            feed.limits.clone(),
        ]);
    }
    println!("{table}");
    Ok(())
}
