//! `netpatch feed import DIR|status`: on the platform's own machine, whether `serve` is running or not.

use crate::Place;
use crate::cli::Output;
use crate::platform::{Store, bus};
use netpatch_inventory::Inventory;
use netpatch_inventory_api::{FeedImport, FeedList, FeedStatus, InventoryApi as _};
use netpatch_types::{OrganizationId, RequestContext, SystemClock};
use std::path::PathBuf;
use std::process::ExitCode;

/// Import advisory feeds, or say how fresh they are.
#[derive(clap::Subcommand)]
pub(crate) enum Feed {
    /// Import an offline pack.
    Import {
        /// The pack's folder.
        dir: PathBuf,
        #[command(flatten)]
        place: Place,
        /// What to print.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
    /// Say how fresh every feed is, and what it does not say.
    Status {
        #[command(flatten)]
        place: Place,
        /// What to print.
        #[arg(short, long, value_enum, default_value_t = Output::Table)]
        output: Output,
    },
}

impl Feed {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.work())
    }

    async fn work(self) -> anyhow::Result<ExitCode> {
        let (place, output, dir) = match self {
            Self::Import { dir, place, output } => (place, output, Some(std::path::absolute(dir)?)),
            Self::Status { place, output } => (place, output, None),
        };
        let configuration = place.configuration(&[])?;
        let store = Store::join(&configuration).await?;
        let clock = SystemClock::shared();
        let ctx = RequestContext::system(OrganizationId(uuid::Uuid::nil()), "feed", clock.now());
        let inventory = Inventory::new(store.database.clone(), bus(&configuration).await?, clock);
        let asked = match &dir {
            Some(dir) => {
                eprintln!("importing {}", dir.display());
                inventory
                    .feed_import(
                        &ctx,
                        FeedImport {
                            pack_dir: dir.to_string_lossy().into_owned(),
                        },
                    )
                    .await
            }
            None => inventory.feed_list(&ctx, FeedList {}).await,
        };
        drop(inventory);
        let feeds = match asked {
            Ok(feeds) => feeds,
            Err(error) => {
                store.close().await;
                anyhow::bail!("{error}");
            }
        };
        store.close().await;
        print(&feeds, output)?;
        let skipped = dir.is_some() && feeds.iter().any(|feed| feed.skipped > 0);
        Ok(if skipped {
            ExitCode::from(3)
        } else {
            ExitCode::SUCCESS
        })
    }
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
            feed.limits.clone(),
        ]);
    }
    println!("{table}");
    Ok(())
}
