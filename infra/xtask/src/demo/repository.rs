//! A small signed repository of our own, with an update whose installation fails on purpose.

use super::process::Process;
use super::show::{Show, until};
use crate::{shell, workspace};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The package whose newer version cannot be configured.
pub(crate) const FAILING: &str = "np-failing-postinst";

/// The served repository. Dropping it stops serving.
pub(crate) struct Repository {
    /// Its base address; only the machine itself reaches it, hosts go through the relay.
    pub(crate) address: String,
    /// The public key that its index is signed with.
    pub(crate) key: PathBuf,
    _server: Process,
}

impl Repository {
    /// Its line for `sources.list`.
    pub(crate) fn source(&self) -> String {
        format!(
            "deb [signed-by=/etc/apt/keyrings/local.asc] {} stable main",
            self.address
        )
    }

    /// An installed file of the pool.
    pub(crate) fn package_file(&self, version: &str) -> PathBuf {
        self.key
            .with_file_name("pool/main")
            .join(format!("{FAILING}_{version}_all.deb"))
    }
}

/// Makes and serves the repository on a free port of the loopback interface.
pub(crate) fn serve(show: &mut Show, folder: &Path) -> Result<Repository> {
    show.step(
        "Make a signed local repository with an update that fails",
        |_| {
            let root = folder.join("repository");
            let script = workspace::root().join("infra/hosts/mk-repository.sh");
            shell::output(shell::command(script).arg(&root))?;
            let mut words: Vec<_> = ["python3", "-u", "-m", "http.server", "0"]
                .map(String::from)
                .into();
            words.extend(["--bind", "127.0.0.1", "--directory"].map(String::from));
            words.push(root.to_string_lossy().into_owned());
            let mut server = Process::start(folder, "repository", words)?;
            let port = until("the repository's port", Duration::from_secs(20), || {
                server.must_run()?;
                Ok(port_of(&server.stdout()?))
            })?;
            let address = format!("http://127.0.0.1:{port}");
            let repository = Repository {
                address,
                key: root.join("key.asc"),
                _server: server,
            };
            let sentence =
                format!("A signed local repository offers {FAILING}, whose update must fail");
            Ok((repository, sentence))
        },
    )
}

/// Python says `Serving HTTP on 127.0.0.1 port 8000 (http://…) ...`.
fn port_of(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once(" port ")?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_port_is_read_from_pythons_greeting() {
        let line = "Serving HTTP on 127.0.0.1 port 41873 (http://127.0.0.1:41873/) ...\n";
        assert_eq!(super::port_of(line), Some(41873));
        assert_eq!(super::port_of("Serving"), None);
    }
}
