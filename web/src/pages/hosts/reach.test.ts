import { expect, it } from 'vitest';
import { order, reach } from './reach.ts';

it('takes what is not known for neither open nor closed, and loopback for closed whatever the firewall says', () => {
  expect(reach({ isReachable: true, isAllowedByFirewall: true })).toBe('open');
  expect(reach({ isReachable: true, isAllowedByFirewall: false })).toBe('blocked');
  expect(reach({ isReachable: true, isAllowedByFirewall: null })).toBe('unknown');
  expect(reach({ isReachable: false, isAllowedByFirewall: true })).toBe('local');
  expect(reach({ isReachable: false, isAllowedByFirewall: null })).toBe('local');
});

it('puts what others reach first, then what nobody knows', () => {
  const sockets = [{ isExposed: false }, { isExposed: null }, { isExposed: true }];
  expect(sockets.sort((one, other) => order(one) - order(other)).map((one) => one.isExposed)).toEqual([true, null, false]);
});
