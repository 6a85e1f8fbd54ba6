import { useText } from '../../i18n/text.ts';
import { Panel } from '../../ui/Page.tsx';
import { Status } from '../../ui/status.tsx';
import { Moment } from '../../ui/Time.tsx';
import { Progress } from './Progress.tsx';
import type { Wave } from './queries.ts';

/** The waves in order, with their counters and the reason of each state. */
export function Waves({ waves }: { waves: readonly Wave[] }) {
  const text = useText();
  return (
    <Panel title={text('deployment.waves')} id="waves">
      <ol className="np-steps" style={{ gap: '0.9rem' }}>
        {waves.map((wave) => (
          <li key={wave.id}>
            <strong>{text('deployment.wave', { ordinal: wave.ordinal })}</strong> <Status of="wave" value={wave.status} /> {wave.reason}{' '}
            {wave.openedAt ? (
              <span className="np-muted">
                <Moment at={wave.openedAt} />
                {wave.endedAt ? ' – ' : null}
                {wave.endedAt ? <Moment at={wave.endedAt} /> : null}
              </span>
            ) : null}
            <Progress counts={wave.counts} />
          </li>
        ))}
      </ol>
    </Panel>
  );
}
