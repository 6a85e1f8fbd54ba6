//! A vendor's repository, and a package manager that believes nothing but the vendor's signature.
//!
//! ```text
//! dists/Release      64 bytes of signature (Ed25519), then "SHA256 <hash> <size> Packages"     (apt: InRelease)
//! dists/Packages     "<version> <hash> <size> <path>"
//! pool/…deb          an ar archive
//! ```
//!
//! There are two editions, both rightly signed: the older one is what a relay would serve to keep hosts back.

use crate::capture::SEEN;
use anyhow::{Result, bail, ensure};
use netpatch_agent::payload::PayloadOrigin;
use netpatch_agent::payload::relay::Relay;
use netpatch_agent::provider::files::check_file;
use netpatch_agent_core::plan::{Change, PlanItem};
use netpatch_delta::{Limits, Pair};
use netpatch_proof::{Ed25519Signer, PublicKey, Signer as _};
use netpatch_tunnel::SiteClient;
use netpatch_types::Sha256;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// As the host's sources name it.
pub(crate) const REPOSITORY: &str = "http://vendor.invalid/debian";
/// The table of contents.
pub(crate) const TABLE: &str = "dists/Release";
const INDEX: &str = "dists/Packages";
const SIGNATURE: usize = 64;
/// The package manager gives up then.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes that it takes of one answer.
const MOST: u64 = 1 << 20;

/// One state of the repository.
pub(crate) struct Edition {
    files: BTreeMap<String, Vec<u8>>,
    pub(crate) deb: Vec<u8>,
    pub(crate) path: String,
}

/// What the vendor has published.
pub(crate) struct Goods {
    pub(crate) old: Edition,
    pub(crate) new: Edition,
    /// From the old package to the new one.
    pub(crate) recipe: Vec<u8>,
    pub(crate) pair: Pair,
    vendor: PublicKey,
}

impl Goods {
    pub(crate) fn new() -> Result<Self> {
        let vendor = Ed25519Signer::from_secret(&[77; 32]);
        let (old, new) = (edition(1, &vendor)?, edition(2, &vendor)?);
        let recipe = netpatch_delta::make(&old.deb, &new.deb, &limits())?;
        Ok(Self {
            pair: Pair {
                old: Sha256::of(&old.deb),
                new: Sha256::of(&new.deb),
                new_bytes: new.deb.len() as u64,
            },
            vendor: vendor.public_key(),
            old,
            new,
            recipe,
        })
    }

    /// A file, as it is now.
    pub(crate) fn file(&self, path: &str) -> Option<&[u8]> {
        self.new.files.get(path).map(Vec::as_slice)
    }

    /// The package, rebuilt by a recipe; whatever it is.
    pub(crate) fn rebuilt(&self, recipe: &[u8]) -> Result<Vec<u8>, netpatch_delta::DeltaError> {
        netpatch_delta::rebuild(&self.old.deb, recipe, &self.pair, &limits())
    }

    /// What the order names.
    pub(crate) fn item(&self) -> PlanItem {
        PlanItem {
            name: SEEN.to_owned(),
            arch: "all".to_owned(),
            change: Change::Upgrade,
            before: Some("1".to_owned()),
            version: Some("2".to_owned()),
            sha256: Some(self.pair.new),
            size_bytes: self.pair.new_bytes,
            file_name: "staged.deb".to_owned(),
        }
    }
}

/// What a relay would do with a recipe of any size is no concern here.
fn limits() -> Limits {
    Limits {
        plain_bytes: 1 << 20,
        threads: 1,
    }
}

fn edition(version: u8, vendor: &Ed25519Signer) -> Result<Edition> {
    let deb = deb(version);
    let path = format!("pool/{SEEN}_{version}_all.deb");
    let line = |bytes: &[u8]| format!("{} {}", Sha256::of(bytes), bytes.len());
    let index = format!("{version} {} {path}\n", line(&deb)).into_bytes();
    let text = format!("SHA256 {} Packages\n", line(&index)).into_bytes();
    let table = [vendor.sign(&text)?, text].concat();
    let files = [
        (TABLE.to_owned(), table),
        (INDEX.to_owned(), index),
        (path.clone(), deb.clone()),
    ];
    Ok(Edition {
        files: files.into(),
        deb,
        path,
    })
}

/// Twenty kilobytes of which a twentieth changes with the version.
fn deb(version: u8) -> Vec<u8> {
    let mut data = Vec::new();
    for block in 0..640u32 {
        let salt = if block % 20 == 0 { version } else { 0 };
        data.extend_from_slice(&Sha256::of(&[&block.to_be_bytes()[..], &[salt]].concat()).0);
    }
    let mut out = b"!<arch>\n".to_vec();
    for (name, body) in [
        ("debian-binary", b"2.0\n".as_slice()),
        ("control.tar", SEEN.as_bytes()),
        ("data.tar", &data),
    ] {
        let header = format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            body.len()
        );
        out.extend_from_slice(header.as_bytes());
        out.extend_from_slice(body);
        if body.len() % 2 == 1 {
            out.push(b'\n');
        }
    }
    out
}

/// Why nothing was installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Held {
    /// Nothing whole came.
    Source,
    /// The table is not the vendor's, or the index not the table's.
    Contents,
    /// The package is not the index's.
    Package,
    /// The package is not the order's: the agent's own check.
    Order,
}

/// A package manager behind the agent's loopback proxy, as apt is.
pub(crate) struct Manager {
    proxy: PayloadOrigin,
}

impl Manager {
    pub(crate) async fn behind(site: &Arc<SiteClient>) -> Result<Self> {
        let source = Arc::new(Relay::new(Arc::clone(site)));
        let proxy = PayloadOrigin::open(source, vec![REPOSITORY.to_owned()]).await?;
        Ok(Self { proxy })
    }

    /// Fetches and checks the package of the order; its bytes, as they would be installed.
    pub(crate) async fn install(
        &self,
        goods: &Goods,
        folder: &Path,
        dice: u64,
    ) -> Result<Result<Vec<u8>, Held>> {
        let Ok(table) = self.get(TABLE).await else {
            return Ok(Err(Held::Source));
        };
        let Some(index) = signed(&table, &goods.vendor) else {
            return Ok(Err(Held::Contents));
        };
        let Ok(found) = self.get(INDEX).await else {
            return Ok(Err(Held::Source));
        };
        if !fits(&found, &index) {
            return Ok(Err(Held::Contents));
        }
        let Some((package, path)) = listed(&found) else {
            return Ok(Err(Held::Contents));
        };
        let Ok(deb) = self.get(&path).await else {
            return Ok(Err(Held::Source));
        };
        // apt checks what it fetches; other package managers leave that to the agent. Both are looked at.
        if dice.is_multiple_of(2) && !fits(&deb, &package) {
            return Ok(Err(Held::Package));
        }
        let item = goods.item();
        std::fs::write(folder.join(&item.file_name), &deb)?;
        Ok(match check_file(&item, folder) {
            Ok(()) => Ok(deb),
            Err(_) => Err(Held::Order),
        })
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>> {
        let asked = tokio::time::timeout(PATIENCE, self.ask(path)).await;
        asked?
    }

    async fn ask(&self, path: &str) -> Result<Vec<u8>> {
        let address = self.proxy.url();
        let mut stream = TcpStream::connect(address.trim_start_matches("http://")).await?;
        let request = format!(
            "GET {REPOSITORY}/{path} HTTP/1.1\r\nHost: vendor.invalid\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer).await?;
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            bail!("no answer");
        };
        let body = answer.split_off(end + 4);
        let head = String::from_utf8_lossy(&answer).to_lowercase();
        ensure!(head.starts_with("http/1.1 200"), "refused");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.unwrap_or("0").trim().parse()?;
        ensure!(body.len() == length, "broken off");
        Ok(body)
    }
}

/// The hash and size of the index, if the vendor signed the table.
fn signed(table: &[u8], vendor: &PublicKey) -> Option<(String, String)> {
    let (signature, text) = table.split_at_checked(SIGNATURE)?;
    if !vendor.verify(text, signature) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["SHA256", hash, size, "Packages"] => Some(((*hash).to_owned(), (*size).to_owned())),
        _ => None,
    }
}

type Listed = (String, String);

/// Hash and size of the package, and where it lies.
fn listed(index: &[u8]) -> Option<(Listed, String)> {
    let text = std::str::from_utf8(index).ok()?;
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [_, hash, size, path] => {
            Some((((*hash).to_owned(), (*size).to_owned()), (*path).to_owned()))
        }
        _ => None,
    }
}

fn fits(bytes: &[u8], (hash, size): &Listed) -> bool {
    Sha256::of(bytes).to_string() == *hash && bytes.len().to_string() == *size
}
