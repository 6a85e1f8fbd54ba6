import { Button, Group } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { SitesQuery } from './queries.ts';
import { SitePanel } from './SitePanel.tsx';

const NewSite = lazy(() => import('./NewSite.tsx').then((module) => ({ default: module.NewSite })));
const route = getRouteApi('/signed-in/o/$org/sites');

/** Does the branch work, and what did the relay save? */
export function SitesPage() {
  const text = useText();
  const { id, slug } = useOrganization();
  const { after, make } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: SitesQuery, variables: { id, after: after ?? null } });
  const setMaking = (isOn: boolean) => void navigate({ search: (before) => ({ ...before, make: isOn || undefined }), resetScroll: false });
  const newSite = <Button onClick={() => setMaking(true)}>{text('sites.new')}</Button>;
  const claim = (
    <Button variant="default" renderRoot={(props: object) => <Link {...props} to="/o/$org/relays/claim" params={{ org: slug }} />}>
      {text('claim.title')}
    </Button>
  );
  return (
    <Page
      title={text('sites.title')}
      question={text('sites.question')}
      acts={
        <Group gap="sm">
          {newSite}
          {claim}
        </Group>
      }
    >
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ organization }) => {
          const sites = organization?.sites;
          const rows = sites?.nodes ?? [];
          if (rows.length === 0) return <Empty title={text('sites.empty.title')} body={text('sites.empty.body')} act={newSite} />;
          return (
            <>
              <Pager
                shown={rows.length}
                count={sites?.totalCount}
                after={after}
                next={sites?.pageInfo.hasNextPage ? sites.pageInfo.endCursor : null}
                onPage={(next) => void navigate({ search: (before) => ({ ...before, after: next }) })}
              />
              {rows.map((site) => (
                <SitePanel key={site.id} site={site} />
              ))}
            </>
          );
        }}
      </Loaded>
      <Suspense fallback={null}>{make ? <NewSite onClose={() => setMaking(false)} /> : null}</Suspense>
    </Page>
  );
}
