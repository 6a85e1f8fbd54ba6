import { describe, expect, it } from 'vitest';
import { fromBase64 } from './bytes.ts';
import { holdsConsistency, holdsInclusion } from './merkle.ts';
import consistency from './vectors/consistency.json' with { type: 'json' };
import inclusion from './vectors/inclusion.json' with { type: 'json' };

const list = (proof: readonly string[] | null) => (proof ?? []).map(fromBase64);

/** Vectors of github.com/transparency-dev/merkle (Apache-2.0). */
describe('inclusion', () => {
  it.each(inclusion)('$desc, leaf $leafIdx of $treeSize', async (vector) => {
    const holds = await holdsInclusion(fromBase64(vector.leafHash), BigInt(vector.leafIdx), BigInt(vector.treeSize), list(vector.proof), fromBase64(vector.root));
    expect(holds).toBe(!vector.wantErr);
  });
});

describe('consistency', () => {
  it.each(consistency)('$desc, $size1 → $size2', async (vector) => {
    const holds = await holdsConsistency(BigInt(vector.size1), BigInt(vector.size2), list(vector.proof), fromBase64(vector.root1), fromBase64(vector.root2));
    expect(holds).toBe(!vector.wantErr);
  });
});
