import { expect, it } from 'vitest';
import { newRule, readWaves, ruleInput } from './draft.ts';

it('reads sizes of waves', () => {
  expect(readWaves('1, 10% 100%')).toEqual([{ hosts: 1 }, { percent: 10 }, { percent: 100 }]);
  for (const bad of ['', '0', '101%', 'one', '1;2', '-1']) expect(readWaves(bad)).toBeNull();
});

it('sends only what the decision needs', () => {
  const rule = newRule('all');
  expect(ruleInput(rule)).toEqual({ name: 'all', decision: 'REQUIRE_APPROVALS', classifications: [], severities: [], packages: [], requiredApprovals: 1 });
  expect(ruleInput({ ...rule, decision: 'DEFER', packages: 'linux-* , systemd', isExploited: true })).toEqual({
    name: 'all', decision: 'DEFER', classifications: [], severities: [], packages: ['linux-*', 'systemd'], isKnownExploited: true, deferSeconds: 604_800,
  });
});
