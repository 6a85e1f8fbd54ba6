//! `netpatch serve`: every role in this process.

use crate::Place;
use crate::platform::{self, Store};
use crate::roles::{Network, Parts, Roles};
use async_trait::async_trait;
use netpatch_chassis::{App, BoxError, Process, Server};
use netpatch_inventory::{DeltaSettings, FeedSettings, PayloadSettings};
use netpatch_reporting::ReportingSettings;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run the platform: every role in this process.
#[derive(clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    place: Place,
    /// Where the portal and the API listen; port 0 takes any free port.
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// Where agents and relays connect, UDP; port 0 takes any free port.
    #[arg(long, value_name = "ADDR")]
    quic: Option<String>,
    /// Folder of the built portal.
    #[arg(long, value_name = "DIR", env = "NETPATCH_PORTAL_DIR")]
    portal: Option<PathBuf>,
    /// Let webhooks reach private addresses over plain HTTP: for demos only.
    #[arg(long)]
    allow_private_webhooks: bool,
}

impl Serve {
    pub(crate) fn run(self) -> ExitCode {
        let flags = [
            ("--http", "http.addr", self.http.clone()),
            ("--quic", "quic.addr", self.quic.clone()),
        ];
        match self.place.configuration(&flags) {
            Ok(configuration) => {
                let app = Platform {
                    portal: self.portal,
                    allow_private_webhooks: self.allow_private_webhooks,
                    store: None,
                };
                netpatch_chassis::run(app, configuration)
            }
            Err(error) => {
                eprintln!("netpatch serve: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

struct Platform {
    portal: Option<PathBuf>,
    allow_private_webhooks: bool,
    store: Option<Store>,
}

#[async_trait]
impl App for Platform {
    fn name(&self) -> &'static str {
        "netpatch"
    }

    async fn start(&mut self, process: &mut Process) -> Result<(), BoxError> {
        let configuration = process.configuration.clone();
        let store = self.store.insert(Store::open(&configuration).await?);
        let database = store.database.clone();
        let bus = platform::bus(&configuration).await?;
        let keys = platform::keys(&configuration.data_dir)?;
        let parts = Parts {
            database: database.clone(),
            blobs: platform::blobs(&configuration).await?,
            bus: bus.clone(),
            clock: process.clock(),
            keys,
            feeds: FeedSettings::of(
                &configuration.feeds.operators,
                &configuration.feeds.sources,
                configuration.feeds.allow_private,
            )?,
            deltas: DeltaSettings::of(&configuration.deltas),
            payloads: PayloadSettings::of(&configuration.payloads),
            reporting: ReportingSettings {
                allow_private_webhooks: self.allow_private_webhooks,
                ..ReportingSettings::default()
            },
        };
        let roles = Roles::new(
            parts,
            &configuration.services,
            &Network {
                signer: process.signer(),
            },
        )?;
        if let Some(admin) = roles.auth.bootstrap().await? {
            eprintln!(
                "bootstrap administrator: {} password: {}",
                admin.email, admin.password
            );
        }
        std::fs::write(
            configuration.data_dir.join("platform-root.sha256"),
            format!("{}\n", roles.auth.platform_fingerprint()?),
        )?;
        process.health.register("database", database.check());
        spawn_jobs(process, &roles);
        let quic = crate::edge::quic(process, &roles, &bus)?;
        let operations = process.serve_operations().await?;
        let server = Server::bind(configuration.http.addr, &configuration.limits)
            .await?
            .with_tls(&configuration.tls)?;
        let router = crate::edge::http(process, &roles, &bus, self.portal.clone(), quic);
        let http = process.serve("http", server, router.merge(operations));
        println!("ready http={http} quic={quic}");
        Ok(())
    }

    async fn stop(&mut self) -> Result<(), BoxError> {
        if let Some(store) = self.store.take() {
            store.close().await;
        }
        Ok(())
    }
}

/// The background work of the roles that run here.
fn spawn_jobs(process: &mut Process, roles: &Roles) {
    let stop = process.tasks.stop_token();
    for (name, job) in roles.jobs.all(&roles.scheduler, &roles.reporting, &stop) {
        process.tasks.spawn(name, async move {
            job.await;
            Ok::<(), BoxError>(())
        });
    }
}
