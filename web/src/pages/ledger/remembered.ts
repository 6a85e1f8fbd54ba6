import * as v from 'valibot';

const head = v.object({ treeSize: v.string(), rootHash: v.string(), publicKey: v.string(), at: v.string() });

/** The last head of a ledger that was checked in this browser. */
export type Remembered = v.InferOutput<typeof head>;

const key = (organization: string) => `np-ledger-${organization}`;

/** What this browser saw; null: nothing yet. */
export function remembered(organization: string): Remembered | null {
  try {
    return v.parse(head, JSON.parse(localStorage.getItem(key(organization)) ?? 'null'));
  } catch {
    return null;
  }
}

/** Remembers a head that held. */
export function remember(organization: string, seen: Remembered) {
  localStorage.setItem(key(organization), JSON.stringify(seen));
}
