import { useText } from '../../i18n/text.ts';
import type { Run } from './queries.ts';

/** Advice comes as a clause; what follows it is a sentence of its own. */
const closed = (advice: string) => (/[.!?]$/.test(advice) ? advice : `${advice}.`);

/** Code, what happened, next step; for a success whether the host confirmed it. */
export function RunReason({ run }: { run: Run }) {
  const text = useText();
  const { error } = run;
  if (error) {
    return (
      <>
        <span className="np-mono">{error.code}</span> {error.message}
        <br />
        <strong>{text('runs.step')}:</strong> {closed(error.remediation ?? text('runs.step.none'))} {text(error.isRetryable ? 'runs.retry' : 'runs.noretry')}
      </>
    );
  }
  if (run.isSilent) return text('runs.silent');
  if (run.isConfirmed === true) return text('runs.confirmed');
  if (run.isConfirmed === false) return text('runs.unconfirmed');
  return <span className="np-muted">{text('time.none')}</span>;
}
