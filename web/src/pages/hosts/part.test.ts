import { expect, it } from 'vitest';
import { part } from './part.ts';

const all = Array.from({ length: 120 }, (_, at) => at);

it('leads through a whole list by pages', () => {
  expect(part(all, undefined)).toEqual({ rows: all.slice(0, 50), next: '50' });
  expect(part(all, '50').next).toBe('100');
  expect(part(all, '100')).toEqual({ rows: all.slice(100), next: null });
  expect(part([], undefined)).toEqual({ rows: [], next: null });
});

it('begins at the front for an address that is not understood', () => {
  for (const after of ['', '-1', 'x', '1e9', '99999999']) expect(part(all, after).rows[0]).toBe(0);
  expect(part(all, '500')).toEqual({ rows: [], next: null });
});
