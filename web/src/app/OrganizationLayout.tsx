import { Center, Loader } from '@mantine/core';
import { getRouteApi, Outlet } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useQuery } from 'urql';
import { useText } from '../i18n/text.ts';
import { Empty } from '../ui/Empty.tsx';
import { Problem } from '../ui/Problem.tsx';
import { OrganizationContext, OrganizationsQuery } from './organization.ts';
import { OrganizationList } from './OrganizationList.tsx';
import { Shell } from './Shell.tsx';

const route = getRouteApi('/signed-in/o/$org');

/** Finds the organization of the address among those of the viewer, and puts the shell around its pages. */
export function OrganizationLayout() {
  const { org } = route.useParams();
  const text = useText();
  const [{ data, error }, ask] = useQuery({ query: OrganizationsQuery, requestPolicy: 'cache-first' });
  const all = data?.viewer.organizations?.nodes;
  const organization = all?.find((one) => one.slug === org || one.id === org);
  const state = useMemo(() => (all && organization ? { all, organization } : null), [all, organization]);

  if (state) {
    return (
      <OrganizationContext value={state}>
        <Shell>
          <Outlet />
        </Shell>
      </OrganizationContext>
    );
  }
  if (error) return <Problem error={error} onRetry={() => ask({ requestPolicy: 'network-only' })} />;
  if (!all) {
    return (
      <Center mih="60vh">
        <Loader aria-label={text('app.loading')} />
      </Center>
    );
  }
  return (
    <Center component="main" mih="60vh">
      <Empty title={text('organization.absent.title')} body={text('organization.absent.body')} act={<OrganizationList all={all} />} />
    </Center>
  );
}
