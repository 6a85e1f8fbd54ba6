import type { Wave } from './queries.ts';

type Counts = Wave['counts'];

/** Counters of all waves added up. */
export function sumCounts(waves: readonly { counts: Counts }[]): Counts {
  const sum = { total: 0, pending: 0, running: 0, succeeded: 0, failed: 0, rolledBack: 0, skipped: 0, rebootPending: 0, silent: 0 };
  for (const { counts } of waves) {
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += counts[name];
  }
  return sum;
}

/** Runs that have ended, however they ended. */
export function ended(counts: Counts): number {
  return counts.succeeded + counts.failed + counts.rolledBack + counts.skipped;
}

/** The counters that are not zero, in the order in which they are read. */
export function told(counts: Counts) {
  const order = ['succeeded', 'failed', 'rolledBack', 'silent', 'rebootPending', 'running', 'pending', 'skipped'] as const;
  return order.filter((name) => counts[name] > 0).map((name) => ({ name, count: counts[name] }));
}
