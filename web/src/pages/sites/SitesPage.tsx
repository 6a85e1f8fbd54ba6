import { getRouteApi } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { SitesQuery } from './queries.ts';
import { SitePanel } from './SitePanel.tsx';

const route = getRouteApi('/signed-in/o/$org/sites');

/** Does the branch work, and what did the relay save? */
export function SitesPage() {
  const text = useText();
  const { id } = useOrganization();
  const { after } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: SitesQuery, variables: { id, after: after ?? null } });
  return (
    <Page title={text('sites.title')} question={text('sites.question')}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ organization }) => {
          const sites = organization?.sites;
          const rows = sites?.nodes ?? [];
          if (rows.length === 0) return <Empty title={text('sites.empty.title')} body={text('sites.empty.body')} />;
          return (
            <>
              <Pager
                shown={rows.length}
                count={sites?.totalCount}
                after={after}
                next={sites?.pageInfo.hasNextPage ? sites.pageInfo.endCursor : null}
                onPage={(next) => void navigate({ search: { after: next } })}
              />
              {rows.map((site) => (
                <SitePanel key={site.id} site={site} />
              ))}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
