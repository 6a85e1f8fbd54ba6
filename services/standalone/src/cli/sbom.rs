//! `netpatch sbom`: software bills of materials, CycloneDX in JSON, out of the platform and into it.

mod import;

use crate::cli::api::{Server, block_on};
use anyhow::Context as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write and read bills of materials.
#[derive(clap::Subcommand)]
pub(crate) enum Sbom {
    /// Write what a host, or every host of an organization, consists of, with the open findings as vulnerabilities.
    ///
    /// The document is CycloneDX 1.6 in JSON; it is written while it arrives, and appears under its name only when it is whole.
    #[command(group(clap::ArgGroup::new("scope").required(true).args(["host", "fleet"])))]
    Export {
        /// A host, by name or id.
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        /// Every host of the organization.
        #[arg(long)]
        fleet: bool,
        /// Of which organization, by name or id; may be left out by who reaches only one.
        #[arg(long, value_name = "NAME")]
        organization: Option<String>,
        /// Where to; standard output without it.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        server: Server,
    },
    /// Take in what a machine without an agent consists of: its packages are matched like any other's.
    ///
    /// The machine is found by `--host`, else by `--hostname` or the document's subject of the type `device`; one that is not known
    /// becomes a host. A host with an agent takes no document. What became no component is said on standard error, with reasons.
    ///
    /// Exit codes: 0 taken, or checked; 1 refused, standard error says why; 2 wrong usage; 4 not allowed; 5 no such host, site or
    /// organization; 7 the platform cannot be reached.
    Import(import::Import),
}

impl Sbom {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let (host, organization, file, server) = match self {
            Self::Import(import) => return import.run(),
            Self::Export {
                host,
                fleet: _,
                organization,
                file,
                server,
            } => (host, organization, file, server),
        };
        block_on(async {
            let api = server.connect().await?;
            let path = match &host {
                Some(named) => {
                    let organization = match &organization {
                        Some(named) => Some(api.organization(named).await?),
                        None => None,
                    };
                    format!(
                        "/sbom/hosts/{}",
                        api.host(named, organization.as_deref()).await?
                    )
                }
                None => format!(
                    "/sbom/fleet?organizationId={}",
                    api.own_organization(organization.as_deref()).await?
                ),
            };
            match &file {
                None => api.fetch(&path, &mut std::io::stdout().lock()).await,
                Some(file) => {
                    let partial = partial(file);
                    let done = write(&api, &path, &partial).await;
                    if done.is_err() {
                        // What broke off is no document.
                        let _ = std::fs::remove_file(&partial);
                    }
                    done?;
                    std::fs::rename(&partial, file)
                        .with_context(|| format!("naming {}", file.display()))
                }
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

fn partial(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

async fn write(api: &crate::cli::api::Api, path: &str, partial: &Path) -> anyhow::Result<()> {
    let open = std::fs::File::create(partial)
        .with_context(|| format!("creating {}", partial.display()))?;
    let mut out = std::io::BufWriter::new(open);
    api.fetch(path, &mut out).await?;
    out.flush()
        .and_then(|()| out.get_ref().sync_all())
        .with_context(|| format!("writing {}", partial.display()))
}
