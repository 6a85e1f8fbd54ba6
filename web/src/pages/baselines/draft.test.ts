import { expect, test } from 'vitest';
import { isReady, ruleInputs, sumOf, usualDraft } from './draft.ts';

test('an own baseline dates everything: exploited first, the least severe last and without a condition', () => {
  const rules = ruleInputs(usualDraft, 'exploited', (severity) => severity.toLowerCase());
  expect(rules.map((rule) => rule.name)).toEqual(['exploited', 'critical', 'high', 'unknown', 'medium', 'low']);
  expect(rules[0]).toEqual({ name: 'exploited', isKnownExploited: true, withinDays: 3 });
  expect(rules[1]).toEqual({ name: 'critical', severities: ['CRITICAL'], withinDays: 7 });
  expect(rules.at(-1)).toEqual({ name: 'low', withinDays: 90 });
});

test('days are whole and within ten years', () => {
  expect(isReady(usualDraft)).toBe(true);
  for (const days of [-1, 1.5, 3651, Number.NaN]) {
    expect(isReady({ ...usualDraft, exploited: days })).toBe(false);
    expect(isReady({ ...usualDraft, days: { ...usualDraft.days, LOW: days } })).toBe(false);
  }
});

test('weights that are no points have no sum', () => {
  expect(sumOf([{ points: 60 }, { points: 40 }])).toBe(100);
  expect(sumOf([{ points: 101 }, { points: -1 }])).toBeNaN();
  expect(sumOf([{ points: Number.NaN }])).toBeNaN();
});
