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

/** Runs that have ended, however they ended; those rolled back are among the failed. */
export function ended(counts: Counts): number {
  return counts.succeeded + counts.failed + counts.skipped;
}

/** The counters that are not zero, in the order in which they are read; each host is in exactly one of them. */
export function told(counts: Counts) {
  const order = ['succeeded', 'failed', 'rolledBack', 'silent', 'rebootPending', 'running', 'pending', 'skipped'] as const;
  const apart = { ...counts, failed: counts.failed - counts.rolledBack };
  return order.filter((name) => apart[name] > 0).map((name) => ({ name, count: apart[name] }));
}
