import { expect, it } from 'vitest';
import { newDraft, recurrence, ruleOf } from './draft.ts';

const draft = newDraft(new Date(2026, 10, 5));

it('writes the recurrence rule of each cadence', () => {
  expect(ruleOf({ ...draft, cadence: 'day' })).toBe('FREQ=DAILY');
  expect(ruleOf({ ...draft, cadence: 'week', days: ['SA', 'SU'] })).toBe('FREQ=WEEKLY;BYDAY=SA,SU');
  expect(ruleOf({ ...draft, cadence: 'month', ordinal: '-1', weekday: 'FR' })).toBe('FREQ=MONTHLY;BYDAY=-1FR');
  expect(ruleOf({ ...draft, cadence: 'rule', rule: ' FREQ=YEARLY ' })).toBe('FREQ=YEARLY');
});

it('shifts by days only where a month is counted, and is nothing while incomplete', () => {
  expect(recurrence({ ...draft, cadence: 'month', offsetDays: 2 })).toEqual({ rrule: 'FREQ=MONTHLY;BYDAY=2TU', startsAt: '2026-11-05T22:00:00', duration: 'PT4H', offsetDays: 2 });
  expect(recurrence({ ...draft, minutes: 90 })?.duration).toBe('PT1H30M');
  expect(recurrence({ ...draft, minutes: 30 })?.duration).toBe('PT30M');
  expect(recurrence({ ...draft, offsetDays: 2 })?.offsetDays).toBe(0);
  expect(recurrence({ ...draft, days: [] })).toBeNull();
  expect(recurrence({ ...draft, date: '' })).toBeNull();
  expect(recurrence({ ...draft, cadence: 'rule', rule: ' ' })).toBeNull();
});
