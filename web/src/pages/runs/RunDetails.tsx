import { Button } from '@mantine/core';
import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import { useText } from '../../i18n/text.ts';
import { Loaded } from '../../ui/Loaded.tsx';
import { Facts, Panel } from '../../ui/Page.tsx';
import { readableBytes } from '../../ui/size.ts';
import { Status } from '../../ui/status.tsx';
import { Moment } from '../../ui/Time.tsx';
import { RunJournalQuery, type Run } from './queries.ts';

/** The agent's journal of a run and the evidence of its failure. */
export function RunDetails({ run, onClose }: { run: Run; onClose: () => void }) {
  const text = useText();
  const [state, ask] = useQuery({ query: RunJournalQuery, variables: { id: run.id } });
  const { locale } = useIntl();
  const title = text('runs.details', { host: run.host?.hostname ?? run.id });
  const close = (
    <Button size="xs" variant="default" onClick={onClose}>
      {text('runs.close')}
    </Button>
  );
  return (
    <Panel title={title} id="run" acts={close}>
      <Facts
        rows={[
          [text('runs.started'), <Moment key="started" at={run.startedAt} />],
          [text('runs.ended'), <Moment key="ended" at={run.endedAt} />],
          [text('runs.bytes'), `${readableBytes(run.bytesFromRelay, locale)} / ${readableBytes(run.bytesFromOrigin, locale)}`],
        ]}
      />
      {run.error && run.error.evidence.length > 0 ? <Lines title={text('runs.evidence')} lines={run.error.evidence} /> : null}
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ node }) => (
          <ol className="np-steps">
            {(node?.__typename === 'Run' ? (node.events ?? []) : []).map((event) => (
              <li key={event.step}>
                <span className="np-num">{event.step}</span> <Moment at={event.at} /> <Status of="run" value={event.status} /> {event.message}{' '}
                {event.cause ? <span className="np-mono">{event.cause}</span> : null}
                {event.evidence.length > 0 ? <Lines title={text('runs.evidence')} lines={event.evidence} /> : null}
              </li>
            ))}
          </ol>
        )}
      </Loaded>
    </Panel>
  );
}

function Lines({ title, lines }: { title: string; lines: readonly string[] }) {
  return (
    <details open>
      <summary>{title}</summary>
      {/* Long lines scroll, so the box must be reachable by keyboard. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre className="np-mono" role="region" aria-label={title} tabIndex={0} style={{ overflowX: 'auto', whiteSpace: 'pre-wrap', margin: '0.3rem 0' }}>
        {lines.join('\n')}
      </pre>
    </details>
  );
}
