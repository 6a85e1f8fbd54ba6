import { Button } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { BaselinePanel } from './BaselinePanel.tsx';
import { BaselinesQuery } from './queries.ts';
import { WeightsPanel } from './WeightsPanel.tsx';

const NewBaseline = lazy(() => import('./NewBaseline.tsx').then((module) => ({ default: module.NewBaseline })));

const route = getRouteApi('/signed-in/o/$org/baselines');

/** By whose rules are findings due, and what counts how much? */
export function BaselinesPage() {
  const text = useText();
  const { id } = useOrganization();
  const { after, make } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: BaselinesQuery, variables: { id, after: after ?? null } });
  const refresh = () => ask({ requestPolicy: 'network-only' });
  const making = (open: boolean) => void navigate({ search: (before) => ({ ...before, make: open || undefined }) });
  const add = <Button onClick={() => making(true)}>{text('baselines.new')}</Button>;
  return (
    <Page title={text('baselines.title')} question={text('baselines.question')} acts={add}>
      <Loaded state={state} retry={refresh}>
        {({ baselines, standards, riskWeights }) => {
          const rows = baselines?.nodes ?? [];
          return (
            <>
              {rows.length === 0 ? (
                <Empty title={text('baselines.empty.title')} body={text('baselines.empty.body')} act={add} />
              ) : (
                <Pager
                  shown={rows.length}
                  count={baselines?.totalCount}
                  after={after}
                  next={baselines?.pageInfo.hasNextPage ? baselines.pageInfo.endCursor : null}
                  onPage={(next) => void navigate({ search: { after: next } })}
                />
              )}
              {rows.map((baseline) => (
                <BaselinePanel key={baseline.id} baseline={baseline} onChanged={refresh} />
              ))}
              {riskWeights ? <WeightsPanel key={riskWeights.etag} weights={riskWeights} onChanged={refresh} /> : null}
              {make ? (
                <Suspense fallback={null}>
                  <NewBaseline standards={standards ?? []} onClose={() => making(false)} onMade={refresh} />
                </Suspense>
              ) : null}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
