import { Skeleton, Stack } from '@mantine/core';
import type { ReactNode } from 'react';
import type { CombinedError } from 'urql';
import { useText } from '../i18n/text.ts';
import { Problem } from './Problem.tsx';

interface QueryState<Data> {
  data?: Data | undefined;
  error?: CombinedError | undefined;
  fetching: boolean;
}

/** Shows what came; an error beside what is still known; a skeleton only when there is nothing yet. */
export function Loaded<Data>({ state, retry, children }: { state: QueryState<Data>; retry: () => void; children: (data: Data) => ReactNode }) {
  const text = useText();
  if (state.data) {
    return (
      <>
        {state.error ? <Problem error={state.error} onRetry={retry} /> : null}
        {children(state.data)}
      </>
    );
  }
  if (state.error) return <Problem error={state.error} onRetry={retry} />;
  return (
    <Stack gap="xs" aria-busy="true">
      <span className="np-hidden" role="status">
        {text('app.loading')}
      </span>
      <Skeleton height={32} />
      <Skeleton height={32} />
      <Skeleton height={32} />
    </Stack>
  );
}
