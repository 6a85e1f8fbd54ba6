//! The test process's PostgreSQL: a thread that owns it and does all administration, since every test has its own runtime.

use netpatch_storage::roles::{self, bootstrap, connect_one};
use netpatch_storage::{DatabaseUrls, Migrations, PostgresSettings, PrivatePostgres, migrate};
use sea_orm::ConnectionTrait as _;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tokio::sync::{mpsc, oneshot};

/// What the thread is asked for.
pub(crate) enum Request {
    /// A database, migrated; its URLs and the superuser's.
    Create {
        migrations: Vec<Migrations>,
        reply: oneshot::Sender<anyhow::Result<(String, DatabaseUrls, String)>>,
    },
    /// A database that is needed no more.
    Drop { name: String },
}

/// The way to the thread, which starts on first use.
pub(crate) fn requests() -> &'static mpsc::UnboundedSender<Request> {
    static REQUESTS: OnceLock<mpsc::UnboundedSender<Request>> = OnceLock::new();
    REQUESTS.get_or_init(|| {
        let (sender, receiver) = mpsc::unbounded_channel();
        let spawned = std::thread::Builder::new()
            .name("test cluster".to_owned())
            .spawn(move || serve(receiver));
        assert!(spawned.is_ok(), "no thread for the test cluster");
        sender
    })
}

fn serve(mut requests: mpsc::UnboundedReceiver<Request>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async move {
        let mut cluster = None;
        while let Some(request) = requests.recv().await {
            match request {
                Request::Create { migrations, reply } => {
                    let _ = reply.send(create(&mut cluster, &migrations).await);
                }
                Request::Drop { name } => {
                    if let Some(cluster) = &cluster {
                        let _ = Cluster::run(
                            cluster,
                            &format!("drop database if exists {name} with (force)"),
                        )
                        .await;
                    }
                }
            }
        }
    });
}

async fn create(
    slot: &mut Option<Cluster>,
    migrations: &[Migrations],
) -> anyhow::Result<(String, DatabaseUrls, String)> {
    if slot.is_none() {
        *slot = Some(Cluster::start().await?);
    }
    match slot {
        Some(cluster) => cluster.database(migrations).await,
        None => anyhow::bail!("no cluster"),
    }
}

struct Cluster {
    server: PrivatePostgres,
    templates: HashMap<Vec<&'static str>, String>,
    databases: u32,
}

impl Cluster {
    async fn start() -> anyhow::Result<Self> {
        sweep();
        let folder = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::DirBuilder::new().mode(0o711).create(&folder)?;
        let settings = PostgresSettings {
            durable: false,
            max_connections: 400,
            ..PostgresSettings::new(&folder)
        };
        let server = PrivatePostgres::start(settings).await?;
        remove_at_exit(&folder, server.connection().pid())?;
        Ok(Self {
            server,
            templates: HashMap::new(),
            databases: 0,
        })
    }

    /// A copy of the template of this set of migrations.
    async fn database(
        &mut self,
        migrations: &[Migrations],
    ) -> anyhow::Result<(String, DatabaseUrls, String)> {
        let set: Vec<&'static str> = migrations.iter().map(Migrations::name).collect();
        let admin = self.server.connection().admin_url("postgres");
        let template = match self.templates.get(&set) {
            Some(template) => template.clone(),
            None => {
                let template = format!("template_{}", self.templates.len());
                let urls = bootstrap(&admin, &template).await?;
                migrate(&urls.owner, migrations).await?;
                self.templates.insert(set, template.clone());
                template
            }
        };
        self.databases += 1;
        let name = format!("test_{}", self.databases);
        self.run(&format!(
            "create database {name} owner {} template {template} strategy file_copy",
            roles::OWNER
        ))
        .await?;
        self.run(&format!(
            "grant connect, temporary on database {name} to {}, {}, {}",
            roles::APP,
            roles::CATALOG,
            roles::WORKER
        ))
        .await?;
        let urls = bootstrap(&admin, &name).await?;
        Ok((
            name.clone(),
            urls,
            self.server.connection().admin_url(&name),
        ))
    }

    async fn run(&self, sql: &str) -> anyhow::Result<()> {
        let connection = connect_one(&self.server.connection().admin_url("postgres")).await?;
        let done = connection.execute_unprepared(sql).await;
        connection.close().await?;
        done?;
        Ok(())
    }
}

const PREFIX: &str = "netpatch-test-";

/// A shell that waits for our end by the pipe, however we end, then for the server's, and removes the folder.
fn remove_at_exit(folder: &Path, server: i32) -> std::io::Result<()> {
    let script = "cat >/dev/null; n=0; while kill -0 \"$2\" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done; rm -rf -- \"$1\"";
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", script, "sh"])
        .arg(folder)
        .arg(server.to_string());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // The pipe stays open as long as this process lives.
    std::mem::forget(child);
    Ok(())
}

/// Removes what an earlier run left when even its shell was killed.
fn sweep() {
    let entries = fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten();
    let stale: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let pid = name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX))
                .and_then(|pid| pid.parse::<u32>().ok());
            pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
        })
        .map(|entry| entry.path())
        .collect();
    for folder in stale {
        let _ = fs::remove_dir_all(folder);
    }
}
