import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const leafHash = (leaf: Uint8Array) => sha256(Uint8Array.of(0), leaf);
const nodeHash = (left: Uint8Array, right: Uint8Array) => sha256(Uint8Array.of(1), left, right);

/** The largest power of two below `size`. */
function split(size: number) {
  let half = 1;
  while (half * 2 < size) half *= 2;
  return half;
}

function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  const [only] = hashes;
  if (!only) return sha256();
  if (hashes.length === 1) return only;
  const half = split(hashes.length);
  return nodeHash(rootOf(hashes.slice(0, half)), rootOf(hashes.slice(half)));
}

/** RFC 6962 §2.1.1. */
function inclusion(index: number, hashes: readonly Uint8Array[]): Uint8Array[] {
  if (hashes.length <= 1) return [];
  const half = split(hashes.length);
  return index < half
    ? [...inclusion(index, hashes.slice(0, half)), rootOf(hashes.slice(half))]
    : [...inclusion(index - half, hashes.slice(half)), rootOf(hashes.slice(0, half))];
}

/** RFC 6962 §2.1.2. */
function consistency(from: number, hashes: readonly Uint8Array[], isWhole = true): Uint8Array[] {
  if (from === hashes.length) return isWhole ? [] : [rootOf(hashes)];
  const half = split(hashes.length);
  return from <= half
    ? [...consistency(from, hashes.slice(0, half), isWhole), rootOf(hashes.slice(half))]
    : [...consistency(from - half, hashes.slice(half), false), rootOf(hashes.slice(0, half))];
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

interface Said {
  at: string;
  action: string;
  actor: { kind: string; name: string };
  subject: string;
  details: Record<string, string>;
}

/** A small ledger with real hashes and a real signature, so that the portal's checks have something to check. */
export class MockLedger {
  readonly entries: (Said & { leaf: Buffer })[] = [];
  private readonly key: KeyObject;
  private readonly publicKey: Uint8Array;

  constructor(
    private readonly origin: string,
    private readonly organization: string,
  ) {
    const pair = generateKeyPairSync('ed25519');
    this.key = pair.privateKey;
    this.publicKey = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  }

  append(said: Said) {
    const leaf = {
      action: said.action,
      actor: { hash: hex(sha256(Buffer.from(said.actor.name))), kind: said.actor.kind.toLowerCase() },
      at: said.at,
      details: said.details,
      digest: null,
      sequence: this.entries.length,
      subject: said.subject,
      tenant: this.organization,
      version: 1,
    };
    this.entries.push({ ...said, leaf: Buffer.from(JSON.stringify(leaf)) });
  }

  private hashes(size: number) {
    return this.entries.slice(0, size).map((entry) => leafHash(entry.leaf));
  }

  private note(size: number) {
    const text = `${this.origin}\n${size}\n${Buffer.from(rootOf(this.hashes(size))).toString('base64')}\n`;
    const id = sha256(Buffer.from(`${this.origin}\n`), Uint8Array.of(1), this.publicKey).subarray(0, 4);
    const signature = Buffer.concat([id, sign(null, Buffer.from(text), this.key)]).toString('base64');
    return `${text}\n— ${this.origin} ${signature}\n`;
  }

  checkpoint() {
    const size = this.entries.length;
    return {
      treeSize: String(size),
      rootHash: hex(rootOf(this.hashes(size))),
      note: this.note(size),
      publicKey: Buffer.from(this.publicKey).toString('base64'),
    };
  }

  consistency(from: number, to = this.entries.length) {
    if (from > to) return null;
    return { from: String(from), to: String(to), path: consistency(from, this.hashes(to)).map(hex) };
  }

  entry(sequence: number) {
    const said = this.entries[sequence];
    if (!said) return null;
    return {
      __typename: 'LedgerEntry',
      id: `ledger_${this.organization}_${sequence}`,
      sequence: String(sequence),
      leafHash: hex(leafHash(said.leaf)),
      leaf: said.leaf.toString('base64'),
      action: said.action,
      actor: said.actor,
      subject: said.subject,
      document: null,
      details: Object.entries(said.details).map(([key, value]) => ({ key, value })),
      at: said.at,
      proof: ({ treeSize }: { treeSize?: string | null }) => {
        const size = treeSize ? Number(treeSize) : this.entries.length;
        const hashes = this.hashes(size);
        return {
          treeSize: String(size),
          rootHash: hex(rootOf(hashes)),
          path: inclusion(sequence, hashes).map(hex),
          signedCheckpoint: this.note(size),
        };
      },
    };
  }
}
