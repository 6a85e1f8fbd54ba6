import { expect, it } from 'vitest';
import { readableRule } from './rule.ts';

it('puts common rules into words and leaves the others alone', () => {
  expect(readableRule('FREQ=MONTHLY;BYDAY=2TU')).toBe('every month on second Tuesday');
  expect(readableRule('FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU')).toBe('every 2 weeks on Saturday, Sunday');
  expect(readableRule('FREQ=MONTHLY;BYMONTHDAY=-1')).toBe('every month on day -1');
  expect(readableRule('FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1')).toBe('FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=-1');
  expect(readableRule('nonsense')).toBe('nonsense');
});
