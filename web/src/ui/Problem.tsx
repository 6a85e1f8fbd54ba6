import { Button, Stack, Text } from '@mantine/core';
import type { CombinedError } from 'urql';
import { adviceFor, requestIdOf } from '../api/errors.ts';
import { useText } from '../i18n/text.ts';

/** An error in words: what happened, what to do, what to quote. */
export function Problem({ error, onRetry, title }: { error: CombinedError; onRetry?: () => void; title?: string }) {
  const text = useText();
  const request = requestIdOf(error);
  return (
    <section className="np-panel" role="alert" style={{ borderLeft: '6px solid var(--np-critical-bg)' }}>
      <Stack gap="xs" align="flex-start">
        <Text fw={700}>{title ?? text('problem.title')}</Text>
        <Text>{text(adviceFor(error))}</Text>
        {request ? <Text className="np-muted np-mono">{text('problem.request', { id: request })}</Text> : null}
        {onRetry ? (
          <Button variant="default" onClick={onRetry}>
            {text('problem.retry')}
          </Button>
        ) : null}
      </Stack>
    </section>
  );
}

/** What a person's act was refused for, in the gateway's words. */
export function Refusals({ errors }: { errors: readonly { code: string; message: string }[] }) {
  const text = useText();
  if (errors.length === 0) return null;
  return (
    <div className="np-panel" role="alert" style={{ borderLeft: '6px solid var(--np-critical-bg)' }}>
      <Text fw={700}>{text('problem.act')}</Text>
      <ul style={{ margin: '0.3rem 0 0', paddingLeft: '1.2rem' }}>
        {errors.map((error) => (
          <li key={`${error.code} ${error.message}`}>
            {error.message} <span className="np-mono np-muted">{error.code}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
