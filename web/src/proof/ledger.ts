/** The checks of a ledger, as steps that a page can show one by one. */
import { fromBase64, fromHex, isSame, toHex } from './bytes.ts';
import { openCheckpoint } from './checkpoint.ts';
import { holdsConsistency, holdsInclusion, leafHash } from './merkle.ts';
import { NoEd25519 } from './note.ts';

/** One step of a check. `null`: this browser could not do it. */
export interface Step {
  name: 'leaf' | 'path' | 'note' | 'head' | 'consistency' | 'first' | 'same' | 'shrunk' | 'keychange';
  holds: boolean | null;
  values: Record<string, string | number>;
}

/** What the gateway says about one entry. */
export interface EntryClaim {
  sequence: string;
  leafHash: string;
  leaf: string;
  proof: { treeSize: string; rootHash: string; path: readonly string[]; signedCheckpoint: string };
}

async function signedHead(note: string, publicKey: string) {
  try {
    return await openCheckpoint(note, fromBase64(publicKey));
  } catch (error) {
    if (error instanceof NoEd25519) return 'unable' as const;
    return null;
  }
}

async function headSteps(note: string, publicKey: string, size: string, root: string): Promise<Step[]> {
  const head = await signedHead(note, publicKey);
  if (head === 'unable') return [{ name: 'note', holds: null, values: {} }];
  const isSigned = head !== null;
  const fits = isSigned && head.size === BigInt(size) && isSame(head.root, fromHex(root));
  return [
    { name: 'note', holds: isSigned, values: {} },
    { name: 'head', holds: fits, values: {} },
  ];
}

/** Checks one entry: its bytes, its path, the checkpoint above it. Never throws on what a server sends. */
export async function checkEntry(claim: EntryClaim, publicKey: string): Promise<Step[]> {
  try {
    const hash = await leafHash(fromBase64(claim.leaf));
    const { treeSize, rootHash, path, signedCheckpoint } = claim.proof;
    const holds = await holdsInclusion(hash, BigInt(claim.sequence), BigInt(treeSize), path.map(fromHex), fromHex(rootHash));
    return [
      { name: 'leaf', holds: toHex(hash) === claim.leafHash, values: {} },
      { name: 'path', holds, values: { size: Number(treeSize) } },
      ...(await headSteps(signedCheckpoint, publicKey, treeSize, rootHash)),
    ];
  } catch {
    return [{ name: 'leaf', holds: false, values: {} }];
  }
}

/** A checkpoint, as the gateway gives it and as this browser remembers it. */
export interface Head {
  treeSize: string;
  rootHash: string;
  publicKey: string;
}

/** What this browser saw before. */
export interface RememberedHead extends Head {
  /** In the reader's words. */
  when: string;
}

/** Asks the gateway for the path between two sizes. */
export type AskConsistency = (from: string, to: string) => Promise<readonly string[] | null>;

async function against(before: RememberedHead | null, head: Head, ask: AskConsistency): Promise<Step> {
  if (!before) return { name: 'first', holds: true, values: {} };
  const values = { from: before.treeSize, to: head.treeSize, when: before.when };
  if (before.publicKey !== head.publicKey) return { name: 'keychange', holds: false, values };
  const [from, to] = [BigInt(before.treeSize), BigInt(head.treeSize)];
  if (to < from) return { name: 'shrunk', holds: false, values };
  if (to === from) return { name: 'same', holds: before.rootHash === head.rootHash, values };
  const path = await ask(before.treeSize, head.treeSize);
  const holds = path !== null && (await holdsConsistency(from, to, path.map(fromHex), fromHex(before.rootHash), fromHex(head.rootHash)));
  return { name: 'consistency', holds, values };
}

/** Checks the head: its signature, and that what this browser saw before is its beginning. */
export async function checkHead(head: Head & { note: string }, before: RememberedHead | null, ask: AskConsistency): Promise<Step[]> {
  try {
    return [...(await headSteps(head.note, head.publicKey, head.treeSize, head.rootHash)), await against(before, head, ask)];
  } catch {
    return [{ name: 'note', holds: false, values: {} }];
  }
}
