import { useText } from '../i18n/text.ts';
import { Mark } from './Mark.tsx';
import { Ago, Moment } from './Time.tsx';

interface Deadline {
  dueAt: string | null;
  reason: string;
  baselineName: string;
  sourceUrl: string | null;
  requiresForensicTriage: boolean;
  isOverdue: boolean;
}

/** The date that a rule demands; opened, why: what counted, from when, and what nobody knew. */
export function Due({ deadline }: { deadline: Deadline | null | undefined }) {
  const text = useText();
  if (!deadline) return <span className="np-muted">{text('due.none')}</span>;
  const { dueAt, reason, baselineName, sourceUrl, requiresForensicTriage, isOverdue } = deadline;
  return (
    <>
      <details>
        <summary>{dueAt ? <Ago at={dueAt} /> : text('due.upgrade')}</summary>
        <p>{reason}</p>
        <p className="np-muted">
          {dueAt ? <Moment at={dueAt} /> : null} {text('due.baseline', { name: baselineName })}{' '}
          {sourceUrl ? (
            <a className="np-link" href={sourceUrl} rel="noreferrer" target="_blank">
              {text('due.source')}
            </a>
          ) : null}
        </p>
      </details>
      {isOverdue ? <Mark tone="bad">{text('due.overdue')}</Mark> : null} {requiresForensicTriage ? <Mark tone="critical">{text('due.triage')}</Mark> : null}
    </>
  );
}
