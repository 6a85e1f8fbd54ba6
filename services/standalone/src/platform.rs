//! What every role stands on: database, blobs, bus, keys. Embedded by default, or what the configuration names.

use anyhow::Context as _;
use netpatch_chassis::Configuration;
use netpatch_storage::{
    Blobs, Database, DatabaseUrls, KeyFolder, PoolSettings, PostgresSettings, PrivatePostgres,
    SharedBus, bus, postgres, roles,
};
use std::path::Path;

/// The embedded database's name.
const DATABASE: &str = "netpatch";

/// Database, and the server if it is ours.
pub(crate) struct Store {
    pub(crate) database: Database,
    pub(crate) server: Option<PrivatePostgres>,
}

impl Store {
    /// Opens the database: starts the embedded one, or connects to the configured one. Migrates what is missing.
    pub(crate) async fn open(configuration: &Configuration) -> anyhow::Result<Self> {
        if !configuration.database.embedded() {
            return Ok(Self {
                database: connect(configuration, &configuration.database.external()?.into())
                    .await?,
                server: None,
            });
        }
        let server = start(configuration).await?;
        let urls = roles::bootstrap(&server.connection().admin_url("postgres"), DATABASE).await?;
        match connect(configuration, &urls).await {
            Ok(database) => Ok(Self {
                database,
                server: Some(server),
            }),
            Err(error) => {
                server.stop().await;
                Err(error)
            }
        }
    }

    /// As [`Self::open`], but joins the embedded server that `serve` may be running now.
    pub(crate) async fn join(configuration: &Configuration) -> anyhow::Result<Self> {
        if configuration.database.embedded()
            && let Some(running) = postgres::attach(&directory(configuration))?
        {
            let urls = roles::bootstrap(&running.admin_url("postgres"), DATABASE).await?;
            let database = connect(configuration, &urls).await?;
            return Ok(Self {
                database,
                server: None,
            });
        }
        Self::open(configuration).await
    }

    /// Closes the pools, then stops the server if it is ours.
    pub(crate) async fn close(self) {
        self.database.close().await;
        if let Some(server) = self.server {
            server.stop().await;
        }
    }
}

fn directory(configuration: &Configuration) -> std::path::PathBuf {
    configuration.data_dir.join("postgres")
}

async fn start(configuration: &Configuration) -> anyhow::Result<PrivatePostgres> {
    std::fs::create_dir_all(&configuration.data_dir).with_context(|| {
        format!(
            "create the data directory {}",
            configuration.data_dir.display()
        )
    })?;
    let settings = PostgresSettings {
        binaries: configuration.database.bin_dir.clone(),
        ..PostgresSettings::new(directory(configuration))
    };
    Ok(PrivatePostgres::start(settings).await?)
}

async fn connect(configuration: &Configuration, urls: &DatabaseUrls) -> anyhow::Result<Database> {
    let all = [
        netpatch_auth::migrations(),
        netpatch_inventory::migrations(),
        netpatch_policy::migrations(),
        netpatch_scheduler::migrations(),
        netpatch_reporting::migrations(),
    ];
    let settings = &configuration.database;
    let pools = PoolSettings::of(settings.max_connections, settings.statement_timeout_ms);
    Ok(Database::open(urls, &pools, &all).await?)
}

/// The store of reports, tiles and checkpoints.
pub(crate) async fn blobs(configuration: &Configuration) -> anyhow::Result<Blobs> {
    let settings = &configuration.blobs;
    if settings.embedded() {
        let folder = configuration.data_dir.join("blobs");
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        return Ok(Blobs::connect(&format!("file:{}", folder.display())).await?);
    }
    Ok(Blobs::connect(&settings.external()?).await?)
}

/// The bus that carries hints.
pub(crate) async fn bus(configuration: &Configuration) -> anyhow::Result<SharedBus> {
    Ok(bus::connect(configuration.bus.address()).await?)
}

/// The folder of secret keys.
pub(crate) fn keys(data_dir: &Path) -> anyhow::Result<KeyFolder> {
    let folder = data_dir.join("keys");
    KeyFolder::open(&folder).with_context(|| format!("open the key folder {}", folder.display()))
}
