//! Differences between two versions of a package, small because they are taken of the **decompressed** content, and rebuilt to
//! exactly the bytes that the vendor signed.
//!
//! A `.deb` (an ar archive, deb(5)) or `.rpm` is a few plain bytes around compressed members. Compressed bytes of two versions have
//! nothing in common, what they compress has almost everything. The same holds for gzip files inside (nested). So:
//!
//! ```text
//! make     old, new ─► layout ─► plain(old), plain(new) + how each member was compressed ─► recipe   (in the cloud, once a pair)
//! rebuild  old, recipe ─► plain(old) ─► plain(new) ─► members compressed again ─► new, if its SHA-256 is the one that was asked for
//! ```
//!
//! How a member was compressed is found by compressing it again and comparing; where no known encoder gives the very bytes, there is
//! no recipe and the whole file is sent. There are two ways to write the difference, and the smaller one is taken: a zstd frame
//! with the old content as its prefix (`zstd --patch-from`), and content-defined chunks (FastCDC).
//!
//! Invariants: nothing is returned by [`rebuild`] whose SHA-256 is not the one that was asked for; a recipe is never larger than the
//! file would be; every size that a recipe names is checked before memory is taken. No IO but gzip(1) for what was compressed with it, no time.

mod chunks;
mod deb;
mod layout;
mod member;
mod nested;
mod patch;
mod recipe;
mod rpm;

use layout::Layout;
use netpatch_types::Sha256;
pub use recipe::{MAX_RECIPE_BYTES, Pair};
use recipe::{Method, Recipe};

/// How much may be done.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most decompressed bytes of a package; twice that is held in memory.
    pub plain_bytes: usize,
    /// Threads of the xz encoder; its output is the same with any number.
    pub threads: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            plain_bytes: 512 << 20,
            threads: 2,
        }
    }
}

/// Why there is no recipe or no file. Whatever it is, the whole file is the answer.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// Neither a `.deb` nor an `.rpm`, or a damaged one.
    #[error("not a package that can be taken apart: {0}")]
    Layout(String),
    /// A member that no known encoder reproduces.
    #[error("cannot reproduce member {0} byte for byte")]
    Encoding(String),
    /// Larger than [`Limits`] allow.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Most bytes.
        limit: usize,
    },
    /// The recipe would not save anything worth it.
    #[error("the recipe has {recipe} bytes, the file {whole}")]
    NotSmaller {
        /// Bytes of the recipe.
        recipe: usize,
        /// Bytes of the file.
        whole: usize,
    },
    /// The bytes are not a recipe.
    #[error("recipe is damaged: {0}")]
    Recipe(String),
    /// The recipe is for another pair.
    #[error("recipe makes {found:?}, wanted {wanted:?}")]
    OtherPair {
        /// What it is for.
        found: Box<Pair>,
        /// What was asked for.
        wanted: Box<Pair>,
    },
    /// What came out is not what was asked for.
    #[error("rebuilt file has another SHA-256 than asked for")]
    Unproven,
    /// A compressor failed.
    #[error("compression failed: {0}")]
    Compression(#[from] std::io::Error),
}

/// Which share of the file a recipe may have: below that the work of rebuilding is not worth it.
const WORTH_PERCENT: usize = 90;

/// A recipe that makes `new` of `old`; the error says why there is none.
pub fn make(old: &[u8], new: &[u8], limits: &Limits) -> Result<Vec<u8>, DeltaError> {
    let pair = Pair {
        old: Sha256::of(old),
        new: Sha256::of(new),
        new_bytes: new.len() as u64,
    };
    // Before the expensive part: without the way back the difference is worth nothing.
    let (target, pieces) = Layout::of(new, limits)?.target(new, limits)?;
    let base = Layout::of(old, limits)?.content(limits)?;
    let patched = Method::Patch(patch::make(&base, &target)?);
    let chunked = Method::Chunks(chunks::make(&base, &target)?);
    let smaller = |a: Vec<u8>, b: Vec<u8>| if b.len() < a.len() { b } else { a };
    let with = |method| Recipe::new(&pair, pieces.clone(), method).encode();
    let recipe = smaller(with(patched), with(chunked));
    if recipe.len() * 100 > new.len() * WORTH_PERCENT || recipe.len() > MAX_RECIPE_BYTES {
        return Err(DeltaError::NotSmaller {
            recipe: recipe.len(),
            whole: new.len(),
        });
    }
    rebuild(old, &recipe, &pair, limits)?;
    Ok(recipe)
}

/// What a recipe says that it is for.
pub fn pair_of(recipe: &[u8], limits: &Limits) -> Result<Pair, DeltaError> {
    Recipe::decode(recipe, limits)?.pair()
}

/// The new file, proven by its hash.
pub fn rebuild(
    old: &[u8],
    recipe: &[u8],
    wanted: &Pair,
    limits: &Limits,
) -> Result<Vec<u8>, DeltaError> {
    let recipe = Recipe::decode(recipe, limits)?;
    let found = recipe.pair()?;
    if found != *wanted {
        return Err(DeltaError::OtherPair {
            found: Box::new(found),
            wanted: Box::new(*wanted),
        });
    }
    let base = Layout::of(old, limits)?.content(limits)?;
    let length = recipe.plain_bytes();
    let plain = match recipe.method() {
        Method::Patch(frame) => patch::apply(&base, frame, length)?,
        Method::Chunks(chunks) => chunks::apply(&base, chunks, length)?,
    };
    drop(base);
    let new = layout::assemble(&plain, &recipe.pieces(), wanted.new_bytes, limits)?;
    if Sha256::of(&new) == wanted.new {
        Ok(new)
    } else {
        Err(DeltaError::Unproven)
    }
}
