import { useText } from '../../i18n/text.ts';
import { told } from './counts.ts';
import type { Wave } from './queries.ts';

const tones = { succeeded: 'good', failed: 'bad', rolledBack: 'bad', silent: 'wait', rebootPending: 'wait', running: 'live', pending: '', skipped: '' } as const;

/** Counters as a bar and in words; the words carry the meaning. */
export function Progress({ counts }: { counts: Wave['counts'] }) {
  const text = useText();
  const parts = told(counts);
  return (
    <div>
      <div className="np-bar" aria-hidden="true">
        {parts.map(({ name, count }) =>
          tones[name] ? <span key={name} className={`np-bar-${tones[name]}`} style={{ width: `${(100 * count) / Math.max(1, counts.total)}%` }} /> : null,
        )}
      </div>
      <span style={{ fontSize: '0.85rem' }}>
        {counts.total} {text('count.total')}
        {parts.map(({ name, count }) => (
          <span key={name}>
            {' · '}
            <strong>{count}</strong> {text(`count.${name}`)}
          </span>
        ))}
      </span>
    </div>
  );
}
