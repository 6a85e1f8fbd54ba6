import { expect, it } from 'vitest';
import { grouped, readCode } from './code.ts';

it('reads a code as people type it', () => {
  expect(readCode('bcdf ghjk')).toBe('BCDF-GHJK');
  expect(readCode(' BCDF-GHJK\n')).toBe('BCDF-GHJK');
  for (const bad of ['', 'BCDF', 'ABCD-EFGH', 'BCDF-GHJK-L']) expect(readCode(bad)).toBeNull();
});

it('groups a fingerprint', () => {
  expect(grouped('0123456789ab')).toBe('0123 4567 89ab');
});
