import { expect, test } from 'vitest';
import { areHours, draftOf, hoursDraftOf, hoursInputOf, inputOf, isReady, officeHours, runsOf, withHours, withNights, type Bandwidth, type Draft } from './bandwidth.ts';

const said: Bandwidth = {
  kilobitsPerSecond: null,
  rules: [{ hours: { days: ['MON', 'FRI'], from: '22:00', until: '06:00' }, kilobitsPerSecond: 2_500 }],
};

test('what is in force comes back as it was', () => {
  expect(inputOf(draftOf(said))).toEqual(said);
  expect(draftOf(said).rules[0]?.mbit).toBe('2.5');
});

test('each rule of a draft has a name of its own', () => {
  const two = withHours(withHours(draftOf(said)));
  expect(two.rules.map((rule) => rule.id)).toEqual([0, 1, 2]);
  expect(withHours({ ...two, rules: two.rules.slice(2) }).rules.map((rule) => rule.id)).toEqual([2, 3]);
});

test('a limit is none, or one that the platform takes', () => {
  const draft: Draft = { mbit: '', rules: [officeHours] };
  expect(isReady(draft)).toBe(true);
  for (const mbit of ['0', '-1', '0.063', '100001', 'fast', '1e99']) expect(isReady({ ...draft, mbit })).toBe(false);
  for (const part of [{ days: [] }, { from: '' }, { until: '' }, { mbit: '0' }]) expect(isReady({ ...draft, rules: [{ ...officeHours, ...part }] })).toBe(false);
  expect(isReady({ ...draft, rules: Array.from({ length: 51 }, () => officeHours) })).toBe(false);
});

test('hours of the week come back as they were, nights are added, and hours without a day are none', () => {
  const hours = said.rules.map((rule) => rule.hours);
  const two = withNights(hoursDraftOf(hours));
  expect(hoursInputOf(two).slice(0, 1)).toEqual(hours);
  expect(two.map((one) => one.id)).toEqual([0, 1]);
  expect(areHours(two)).toBe(true);
  expect(areHours([])).toBe(true);
  expect(areHours([{ id: 0, days: [], from: '08:00', until: '18:00' }])).toBe(false);
});

test('days in a row are one run', () => {
  expect(runsOf(officeHours.days)).toEqual([['MON', 'FRI']]);
  expect(runsOf(['SUN', 'MON', 'WED'])).toEqual([['MON', 'MON'], ['WED', 'WED'], ['SUN', 'SUN']]);
  expect(runsOf([])).toEqual([]);
});
