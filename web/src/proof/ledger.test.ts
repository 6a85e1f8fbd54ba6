import { beforeEach, describe, expect, it } from 'vitest';
import { MockLedger } from '../../mock/ledger.ts';
import { checkEntry, checkHead } from './ledger.ts';

const said = (at: number) => ({ at: '2026-11-21T22:00:00Z', action: 'run.ended', actor: { kind: 'AGENT', name: 'a' }, subject: `run:${at}`, details: {} });

function claim(ledger: MockLedger, sequence: number) {
  const entry = ledger.entry(sequence);
  if (!entry) throw new Error('no such entry');
  return { sequence: entry.sequence, leaf: entry.leaf, leafHash: entry.leafHash, proof: entry.proof({}) };
}

const flip = (hex: string) => (hex.startsWith('0') ? `1${hex.slice(1)}` : `0${hex.slice(1)}`);

describe('a ledger', () => {
  let ledger: MockLedger;
  beforeEach(() => {
    ledger = new MockLedger('netpatch/ledger/test', 'test');
    for (let at = 0; at < 11; at += 1) ledger.append(said(at));
  });

  it('proves each of its entries', async () => {
    const { publicKey } = ledger.checkpoint();
    for (let at = 0; at < 11; at += 1) {
      const steps = await checkEntry(claim(ledger, at), publicKey);
      expect(steps.map((step) => [step.name, step.holds])).toEqual([['leaf', true], ['path', true], ['note', true], ['head', true]]);
    }
  });

  it('is refused when the entry, the path, the root or the key is another', async () => {
    const { publicKey } = ledger.checkpoint();
    const good = claim(ledger, 4);
    const held = async (changed: typeof good, key = publicKey) => (await checkEntry(changed, key)).filter((step) => step.holds !== true).map((step) => step.name);
    expect(await held({ ...good, leaf: btoa('something else') })).toContain('leaf');
    expect(await held({ ...good, sequence: '5' })).toContain('path');
    expect(await held({ ...good, proof: { ...good.proof, path: good.proof.path.map(flip) } })).toContain('path');
    expect(await held({ ...good, proof: { ...good.proof, rootHash: flip(good.proof.rootHash) } })).toEqual(['path', 'head']);
    expect(await held({ ...good, proof: { ...good.proof, path: ['xyz'] } })).toEqual(['leaf']);
    const other = new MockLedger('netpatch/ledger/test', 'test').checkpoint().publicKey;
    expect(await held(good, other)).toEqual(['note', 'head']);
  });

  it('is compared with what this browser saw before', async () => {
    const before = { ...ledger.checkpoint(), when: 'earlier' };
    for (let at = 11; at < 14; at += 1) ledger.append(said(at));
    const head = ledger.checkpoint();
    const ask = (from: string, to: string) => Promise.resolve(ledger.consistency(Number(from), Number(to))?.path ?? null);
    const last = async (...args: Parameters<typeof checkHead>) => (await checkHead(...args)).at(-1);
    expect(await last(head, null, ask)).toMatchObject({ name: 'first', holds: true });
    expect(await last(head, before, ask)).toMatchObject({ name: 'consistency', holds: true });
    expect(await last(head, { ...head, when: '' }, ask)).toMatchObject({ name: 'same', holds: true });
    expect(await last(head, { ...before, rootHash: flip(before.rootHash) }, ask)).toMatchObject({ name: 'consistency', holds: false });
    expect(await last({ ...before }, { ...head, when: '' }, ask)).toMatchObject({ name: 'shrunk', holds: false });
    expect(await last(head, { ...before, publicKey: 'AA==' }, ask)).toMatchObject({ name: 'keychange', holds: false });
    expect(await last(head, before, () => Promise.resolve(null))).toMatchObject({ name: 'consistency', holds: false });
  });
});
