import { Button } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { PolicyPanel } from './PolicyPanel.tsx';
import { PoliciesQuery } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/policies');

/** What will happen, and when? */
export function PoliciesPage() {
  const text = useText();
  const { id, slug } = useOrganization();
  const { after } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: PoliciesQuery, variables: { id, after: after ?? null } });
  const add = <Button renderRoot={(props: object) => <Link {...props} to="/o/$org/policies/new" params={{ org: slug }} />}>{text('policies.new')}</Button>;
  return (
    <Page title={text('policies.title')} question={text('policies.question')} acts={add}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ policies }) => {
          const rows = policies?.nodes ?? [];
          if (rows.length === 0) return <Empty title={text('policies.empty.title')} body={text('policies.empty.body')} act={add} />;
          return (
            <>
              <Pager
                shown={rows.length}
                count={policies?.totalCount}
                after={after}
                next={policies?.pageInfo.hasNextPage ? policies.pageInfo.endCursor : null}
                onPage={(next) => void navigate({ search: { after: next } })}
              />
              {rows.map((policy) => (
                <PolicyPanel key={policy.id} policy={policy} />
              ))}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
