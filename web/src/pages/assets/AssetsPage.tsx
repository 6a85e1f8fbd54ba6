import { Button } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { useQuery } from 'urql';
import { useOrganization, useScope } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { DataTable } from '../../ui/DataTable.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Filters, TextFilter, WordChoice } from '../../ui/Filters.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { SiteChoice } from '../../ui/SiteChoice.tsx';
import { criticalities, linkStates } from '../../ui/status.tsx';
import { useAssetColumns } from './columns.tsx';
import { AssetsQuery } from './queries.ts';

const ImportDialog = lazy(() => import('./ImportDialog.tsx').then((module) => ({ default: module.ImportDialog })));

const route = getRouteApi('/signed-in/o/$org/assets');

/** What is there, whose is it, and how much depends on it? */
export function AssetsPage() {
  const text = useText();
  const { slug } = useOrganization();
  const scope = useScope();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const columns = useAssetColumns(slug);
  const filter = {
    ...scope,
    ...(search.name ? { textContains: search.name } : {}),
    ...(search.site ? { site: { eq: search.site } } : {}),
    ...(search.link ? { link: [search.link] } : {}),
    ...(search.department ? { department: [search.department] } : {}),
    ...(search.criticality ? { criticality: [search.criticality] } : {}),
  };
  const [state, ask] = useQuery({ query: AssetsQuery, variables: { after: search.after ?? null, filter } });
  const refresh = () => ask({ requestPolicy: 'network-only' });
  const change = (part: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, after: undefined, ...part }) });
  const isFiltered = Object.keys(filter).length > Object.keys(scope).length;
  const close = (isWritten: boolean) => {
    change({ make: undefined });
    if (isWritten) refresh();
  };

  return (
    <Page
      title={text('assets.title')}
      question={text('assets.question')}
      acts={
        <Button variant="default" onClick={() => change({ make: true })}>
          {text('assets.import')}
        </Button>
      }
    >
      <Filters onClear={isFiltered ? () => void navigate({ search: {} }) : undefined}>
        <TextFilter label={text('assets.filter.text')} value={search.name} onChange={(name) => change({ name })} />
        <SiteChoice value={search.site} onChange={(site) => change({ site })} />
        <WordChoice label={text('asset.host')} family="link" values={linkStates} value={search.link} onChange={(value) => change({ link: linkStates.find((one) => one === value) })} />
        <WordChoice
          label={text('asset.criticality')}
          family="criticality"
          values={criticalities}
          value={search.criticality}
          onChange={(value) => change({ criticality: criticalities.find((one) => one === value) })}
        />
        <TextFilter label={text('asset.department')} value={search.department} onChange={(department) => change({ department })} />
      </Filters>
      <Loaded state={state} retry={refresh}>
        {({ assets }) => {
          const rows = assets?.nodes ?? [];
          if (rows.length === 0) {
            return <Empty title={text(isFiltered ? 'empty.nomatch.title' : 'assets.empty.title')} body={text(isFiltered ? 'empty.nomatch.body' : 'assets.empty.body')} />;
          }
          return (
            <>
              <Pager shown={rows.length} count={assets?.totalCount} after={search.after} next={assets?.pageInfo.hasNextPage ? assets.pageInfo.endCursor : null} onPage={(after) => change({ after })} />
              <DataTable caption={text('assets.title')} rows={rows} columns={columns} rowId={(row) => row.id} rowName={(row) => row.hostname || row.id} total={assets?.totalCount?.value} />
            </>
          );
        }}
      </Loaded>
      {search.make ? (
        <Suspense fallback={null}>
          <ImportDialog onClose={close} />
        </Suspense>
      ) : null}
    </Page>
  );
}
