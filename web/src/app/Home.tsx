import { Center, Loader } from '@mantine/core';
import { Navigate } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useText } from '../i18n/text.ts';
import { Empty } from '../ui/Empty.tsx';
import { Problem } from '../ui/Problem.tsx';
import { OrganizationsQuery } from './organization.ts';

/** The start: the posture of the viewer's own organization. */
export function Home() {
  const text = useText();
  const [{ data, error }, ask] = useQuery({ query: OrganizationsQuery, requestPolicy: 'cache-first' });
  const all = data?.viewer.organizations?.nodes;
  const first = all?.find((one) => one.kind === 'PARTNER') ?? all?.[0];
  if (first) return <Navigate to="/o/$org/posture" params={{ org: first.slug }} replace />;
  return (
    <Center component="main" mih="60vh">
      {error ? <Problem error={error} onRetry={() => ask({ requestPolicy: 'network-only' })} /> : null}
      {all ? <Empty title={text('organization.none.title')} body={text('organization.none.body')} /> : null}
      {!all && !error ? <Loader aria-label={text('app.loading')} /> : null}
    </Center>
  );
}
