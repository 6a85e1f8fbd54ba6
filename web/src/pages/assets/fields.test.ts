import { describe, expect, it } from 'vitest';
import { changesOf, draftOf } from './fields.ts';

describe('what is sent of an asset', () => {
  const before = { ...draftOf(null), owner: 'ada', tags: 'lab, pci', criticality: 'HIGH', endOfLife: '2027-01-31' };

  it('is only what was changed', () => {
    expect(changesOf(before, { ...before })).toEqual({});
    expect(changesOf(before, { ...before, department: ' finance ' })).toEqual({ department: 'finance' });
  });

  it('clears what was emptied', () => {
    expect(changesOf(before, { ...before, owner: ' ', criticality: '', endOfLife: '' })).toEqual({ owner: null, criticality: null, endOfLife: null });
  });

  it('takes tags as a set', () => {
    expect(changesOf(before, { ...before, tags: 'pci,lab , pci' })).toEqual({});
    expect(changesOf(before, { ...before, tags: 'pci, , new' })).toEqual({ tags: ['new', 'pci'] });
    expect(changesOf(before, { ...before, tags: '' })).toEqual({ tags: [] });
  });
});
