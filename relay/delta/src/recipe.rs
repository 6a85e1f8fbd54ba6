//! A recipe as bytes: protobuf after a magic word.

use crate::layout::Written;
use crate::member::{Encoding, XzSettings, ZstdSettings};
use crate::nested::{Fold, MAX_FOLDS};
use crate::{DeltaError, Limits};
use netpatch_types::Sha256;
use prost::Message as _;

/// Begins every recipe; the digit is the version.
const MAGIC: &[u8] = b"NPDELTA1";
/// Longest recipe.
pub const MAX_RECIPE_BYTES: usize = 256 << 20;
/// Most pieces of a package.
const MAX_PIECES: usize = 128;

/// Which file a recipe makes of which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// SHA-256 of the old file.
    pub old: Sha256,
    /// SHA-256 of the new file.
    pub new: Sha256,
    /// Length of the new file.
    pub new_bytes: u64,
}

/// How the new content comes from the old one.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Method {
    /// A zstd frame.
    #[prost(bytes, tag = "5")]
    Patch(Vec<u8>),
    /// Chunks.
    #[prost(message, tag = "6")]
    Chunks(Chunks),
}

/// See [`crate::chunks`].
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Chunks {
    /// Length and place, in turn.
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) steps: Vec<u64>,
    /// Decompressed.
    #[prost(uint64, tag = "2")]
    pub(crate) literal_bytes: u64,
    /// zstd.
    #[prost(bytes, tag = "3")]
    pub(crate) literals: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Recipe {
    #[prost(bytes, tag = "1")]
    old: Vec<u8>,
    #[prost(bytes, tag = "2")]
    new: Vec<u8>,
    #[prost(uint64, tag = "3")]
    new_bytes: u64,
    #[prost(message, repeated, tag = "4")]
    pieces: Vec<Piece>,
    #[prost(oneof = "Method", tags = "5, 6")]
    method: Option<Method>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Piece {
    #[prost(uint64, tag = "1")]
    plain: u64,
    #[prost(message, repeated, tag = "4")]
    folds: Vec<FoldMessage>,
    #[prost(oneof = "PieceEncoding", tags = "2, 3")]
    encoding: Option<PieceEncoding>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct FoldMessage {
    #[prost(uint64, tag = "1")]
    before: u64,
    #[prost(uint64, tag = "2")]
    plain: u64,
    #[prost(uint32, tag = "3")]
    level: u32,
}

/// None for bytes that stand as they are.
#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum PieceEncoding {
    #[prost(message, tag = "2")]
    Xz(Xz),
    #[prost(message, tag = "3")]
    Zstd(Zstd),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Xz {
    #[prost(uint32, tag = "1")]
    level: u32,
    #[prost(bool, tag = "2")]
    extreme: bool,
    #[prost(bool, tag = "3")]
    blocks: bool,
    #[prost(uint32, tag = "4")]
    check: u32,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Zstd {
    #[prost(int32, tag = "1")]
    level: i32,
    #[prost(bool, tag = "2")]
    checksum: bool,
    #[prost(bool, tag = "3")]
    sized: bool,
}

impl Recipe {
    pub(crate) fn new(pair: &Pair, pieces: Vec<Written>, method: Method) -> Self {
        Self {
            old: pair.old.0.to_vec(),
            new: pair.new.0.to_vec(),
            new_bytes: pair.new_bytes,
            pieces: pieces.into_iter().map(Piece::from).collect(),
            method: Some(method),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.encode_to_vec());
        out
    }

    /// Reads and checks everything that is not content.
    pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, DeltaError> {
        let broken = |what: &str| DeltaError::Recipe(what.to_owned());
        if bytes.len() > MAX_RECIPE_BYTES {
            return Err(DeltaError::TooLarge {
                what: "the recipe",
                limit: MAX_RECIPE_BYTES,
            });
        }
        let body = bytes.strip_prefix(MAGIC).ok_or_else(|| broken("magic"))?;
        let message = <Self as prost::Message>::decode(body);
        let recipe = message.map_err(|error| DeltaError::Recipe(error.to_string()))?;
        let folds: usize = recipe.pieces.iter().map(|piece| piece.folds.len()).sum();
        if recipe.pieces.len() > MAX_PIECES || folds > MAX_FOLDS {
            return Err(broken("too many pieces"));
        }
        let total = recipe
            .pieces
            .iter()
            .try_fold(0u64, |sum, piece| sum.checked_add(piece.plain));
        if total.is_none_or(|total| total > limits.plain_bytes as u64) {
            return Err(DeltaError::TooLarge {
                what: "the decompressed package",
                limit: limits.plain_bytes,
            });
        }
        if recipe.method.is_none() {
            return Err(broken("no content"));
        }
        Ok(recipe)
    }

    pub(crate) fn pair(&self) -> Result<Pair, DeltaError> {
        let digest = |bytes: &[u8]| {
            <[u8; 32]>::try_from(bytes)
                .map(Sha256)
                .map_err(|_| DeltaError::Recipe("digest".into()))
        };
        Ok(Pair {
            old: digest(&self.old)?,
            new: digest(&self.new)?,
            new_bytes: self.new_bytes,
        })
    }

    /// Decompressed bytes of all pieces; checked by [`Self::decode`].
    pub(crate) fn plain_bytes(&self) -> usize {
        let total: u64 = self.pieces.iter().map(|piece| piece.plain).sum();
        usize::try_from(total).unwrap_or(usize::MAX)
    }

    pub(crate) fn pieces(&self) -> Vec<Written> {
        self.pieces.iter().cloned().map(Written::from).collect()
    }

    pub(crate) fn method(&self) -> &Method {
        const NOTHING: &Method = &Method::Patch(Vec::new());
        self.method.as_ref().unwrap_or(NOTHING)
    }
}

impl From<Written> for Piece {
    fn from(written: Written) -> Self {
        let encoding = match written.encoding {
            Encoding::Plain => None,
            Encoding::Xz(xz) => Some(PieceEncoding::Xz(Xz {
                level: xz.level,
                extreme: xz.extreme,
                blocks: xz.blocks,
                check: xz.check,
            })),
            Encoding::Zstd(zstd) => Some(PieceEncoding::Zstd(Zstd {
                level: zstd.level,
                checksum: zstd.checksum,
                sized: zstd.sized,
            })),
        };
        let fold = |fold: Fold| FoldMessage {
            before: fold.before,
            plain: fold.plain,
            level: fold.level,
        };
        Self {
            plain: written.plain,
            folds: written.folds.into_iter().map(fold).collect(),
            encoding,
        }
    }
}

impl From<Piece> for Written {
    fn from(piece: Piece) -> Self {
        let encoding = match piece.encoding {
            None => Encoding::Plain,
            Some(PieceEncoding::Xz(xz)) => Encoding::Xz(XzSettings {
                level: xz.level,
                extreme: xz.extreme,
                blocks: xz.blocks,
                check: xz.check,
            }),
            Some(PieceEncoding::Zstd(zstd)) => Encoding::Zstd(ZstdSettings {
                level: zstd.level,
                checksum: zstd.checksum,
                sized: zstd.sized,
            }),
        };
        let fold = |fold: FoldMessage| Fold {
            before: fold.before,
            plain: fold.plain,
            level: fold.level,
        };
        Self {
            plain: piece.plain,
            folds: piece.folds.into_iter().map(fold).collect(),
            encoding,
        }
    }
}
