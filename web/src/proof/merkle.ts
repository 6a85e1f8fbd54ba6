/**
 * The Merkle tree of a transparency log (RFC 6962 §2.1, verification as in RFC 9162 §2.1.3 and §2.1.4), with the
 * browser's own SHA-256. Sizes are bigints: a ledger's numbers have 64 bits.
 */
import { isSame, sha256, type Bytes } from './bytes.ts';

const hashLength = 32;

/** The hash of a leaf's bytes. */
export const leafHash = (leaf: Bytes) => sha256(Uint8Array.of(0), leaf);

const nodeHash = (left: Bytes, right: Bytes) => sha256(Uint8Array.of(1), left, right);

/** The root of the tree without leaves. */
export const emptyRoot = () => sha256();

const isHash = (bytes: Bytes) => bytes.length === hashLength;

/** Whether the path leads from the leaf at `index` to the root of a tree of `size` leaves. */
export async function holdsInclusion(leaf: Bytes, index: bigint, size: bigint, path: readonly Bytes[], root: Bytes): Promise<boolean> {
  if (index < 0n || index >= size || ![leaf, root, ...path].every(isHash)) return false;
  let [at, last, hash] = [index, size - 1n, leaf];
  for (const sibling of path) {
    if (last === 0n) return false;
    if (at % 2n === 1n || at === last) {
      hash = await nodeHash(sibling, hash);
      while (at % 2n === 0n && at !== 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = await nodeHash(hash, sibling);
    }
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n && isSame(hash, root);
}

/** Whether a tree of `from` leaves is the beginning of one of `to`. */
export async function holdsConsistency(from: bigint, to: bigint, path: readonly Bytes[], fromRoot: Bytes, toRoot: Bytes): Promise<boolean> {
  if (from < 0n || from > to) return false;
  if (from === to) return path.length === 0 && isSame(fromRoot, toRoot);
  if (![fromRoot, toRoot, ...path].every(isHash)) return false;
  // Everything begins with nothing, so there is nothing to prove.
  if (from === 0n) return path.length === 0 && isSame(fromRoot, await emptyRoot());
  let [at, last] = [from - 1n, to - 1n];
  while (at % 2n === 1n) {
    at >>= 1n;
    last >>= 1n;
  }
  const rest = [...path];
  const start = at === 0n ? fromRoot : rest.shift();
  if (!start) return false;
  let [oldHash, newHash] = [start, start];
  for (const sibling of rest) {
    if (last === 0n) return false;
    if (at % 2n === 1n || at === last) {
      oldHash = await nodeHash(sibling, oldHash);
      newHash = await nodeHash(sibling, newHash);
      while (at % 2n === 0n && at !== 0n) {
        at >>= 1n;
        last >>= 1n;
      }
    } else {
      newHash = await nodeHash(newHash, sibling);
    }
    at >>= 1n;
    last >>= 1n;
  }
  return last === 0n && isSame(oldHash, fromRoot) && isSame(newHash, toRoot);
}
