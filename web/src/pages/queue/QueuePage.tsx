import { getRouteApi } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useOrganization, useScope } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { DataTable } from '../../ui/DataTable.tsx';
import { DueChoice, orderBy } from '../../ui/DueChoice.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Filters, WordChoice } from '../../ui/Filters.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { SiteChoice } from '../../ui/SiteChoice.tsx';
import { useSelection } from '../../ui/Selection.tsx';
import { severities } from '../../ui/status.tsx';
import { BulkBar } from './BulkBar.tsx';
import { useQueueColumns } from './columns.tsx';
import { itemId, QueueQuery, type QueueItem } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/queue');

/** What should be done first? */
export function QueuePage() {
  const text = useText();
  const { kind, slug } = useOrganization();
  const scope = useScope();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const selection = useSelection();
  const columns = useQueueColumns(slug, search.site, kind === 'PARTNER');
  const filter = {
    ...scope,
    ...(search.severity ? { severity: { eq: search.severity } } : {}),
    ...(search.site ? { site: { eq: search.site } } : {}),
    ...(search.overdue ? { isOverdue: true } : {}),
  };
  const [state, ask] = useQuery({ query: QueueQuery, variables: { after: search.after ?? null, filter, orderBy: orderBy(search.order) } });
  const change = (part: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, after: undefined, ...part }) });
  const isFiltered = Boolean(search.severity ?? search.site ?? search.overdue);

  return (
    <Page title={text('queue.title')} question={text('queue.question')}>
      <Filters onClear={isFiltered ? () => void navigate({ search: {} }) : undefined}>
        <WordChoice
          label={text('filter.severity')}
          family="severity"
          values={severities}
          value={search.severity}
          onChange={(value) => change({ severity: severities.find((one) => one === value) })}
        />
        <SiteChoice value={search.site} onChange={(site) => change({ site })} />
        <DueChoice search={search} change={change} />
      </Filters>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ queue }) => {
          const rows = queue?.nodes ?? [];
          if (rows.length === 0) {
            return <Empty title={text(isFiltered ? 'empty.nomatch.title' : 'queue.empty.title')} body={text(isFiltered ? 'empty.nomatch.body' : 'queue.empty.body')} />;
          }
          const chosen = rows.filter((row) => selection.ids.has(itemId(row)));
          return (
            <>
              <Pager shown={rows.length} count={queue?.totalCount} after={search.after} next={queue?.pageInfo.hasNextPage ? queue.pageInfo.endCursor : null} onPage={(after) => change({ after })} />
              <DataTable<QueueItem>
                caption={text('queue.title')}
                rows={rows}
                columns={columns}
                rowId={itemId}
                rowName={(row) => `${row.patch.name} ${row.patch.fixedVersion}`}
                selection={selection}
                total={queue?.totalCount?.value}
              />
              {chosen.length > 0 ? <BulkBar items={chosen} onDone={selection.clear} /> : null}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
