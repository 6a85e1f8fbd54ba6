import { describe, expect, it } from 'vitest';
import { ended, sumCounts, told } from './counts.ts';

const counts = { total: 10, pending: 3, running: 2, succeeded: 3, failed: 1, rolledBack: 1, skipped: 0, rebootPending: 0, silent: 0 };

describe('counters of waves', () => {
  it('add up', () => {
    const sum = sumCounts([{ counts }, { counts: { ...counts, failed: 0, silent: 4 } }]);
    expect(sum).toEqual({ ...counts, total: 20, pending: 6, running: 4, succeeded: 6, failed: 1, rolledBack: 2, silent: 4 });
  });

  it('count a run as ended only when it is', () => {
    expect(ended(counts)).toBe(4);
  });

  it('tell what is not zero, each host once', () => {
    expect(told(counts).map((one) => one.name)).toEqual(['succeeded', 'rolledBack', 'running', 'pending']);
    expect(told({ ...counts, failed: 3 }).find((one) => one.name === 'failed')?.count).toBe(2);
  });
});
