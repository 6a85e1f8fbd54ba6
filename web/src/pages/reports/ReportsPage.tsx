import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useMemo } from 'react';
import { useIntl } from 'react-intl';
import { useQuery } from 'urql';
import { graphql, type ResultOf } from '../../api/graphql.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { readableBytes } from '../../ui/size.ts';
import { Status } from '../../ui/status.tsx';
import { Moment } from '../../ui/Time.tsx';
import { MakeReport } from './MakeReport.tsx';

const route = getRouteApi('/signed-in/o/$org/reports');
const pollMs = 3000;

const ReportsQuery = graphql(`
  query Reports($id: ID!, $after: String) {
    organization(id: $id) {
      id
      reports(first: 25, after: $after) {
        totalCount { value display }
        pageInfo { hasNextPage endCursor }
        nodes { id kind status message fileName url sha256 sizeBytes createdAt expiresAt }
      }
    }
  }
`);

type Report = NonNullable<NonNullable<ResultOf<typeof ReportsQuery>['organization']>['reports']>['nodes'][number];

/** Can I prove it? */
export function ReportsPage() {
  const text = useText();
  const { id } = useOrganization();
  const { after } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: ReportsQuery, variables: { id, after: after ?? null } });
  const columns = useColumns();
  const isMaking = state.data?.organization?.reports?.nodes.some((report) => report.status === 'RUNNING') ?? false;
  useEffect(() => {
    if (!isMaking) return undefined;
    const timer = setInterval(() => ask({ requestPolicy: 'network-only' }), pollMs);
    return () => clearInterval(timer);
  }, [ask, isMaking]);
  return (
    <Page title={text('reports.title')} question={text('reports.question')}>
      <MakeReport onMade={() => ask({ requestPolicy: 'network-only' })} />
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ organization }) => {
          const reports = organization?.reports;
          const rows = reports?.nodes ?? [];
          if (rows.length === 0) return <Empty title={text('reports.empty.title')} body={text('reports.empty.body')} />;
          return (
            <>
              <Pager
                shown={rows.length}
                count={reports?.totalCount}
                after={after}
                next={reports?.pageInfo.hasNextPage ? reports.pageInfo.endCursor : null}
                onPage={(next) => void navigate({ search: { after: next } })}
              />
              <DataTable caption={text('reports.title')} rows={rows} columns={columns} rowId={(row) => row.id} rowName={(row) => row.fileName} total={reports?.totalCount?.value} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function useColumns(): Column<Report>[] {
  const text = useText();
  const word = useWord();
  const { locale } = useIntl();
  return useMemo(
    () => [
      { id: 'kind', header: text('reports.kind'), cell: (row) => word('kind', row.kind) },
      {
        id: 'status',
        header: text('reports.status'),
        cell: (row) => (
          <>
            <Status of="report" value={row.status} /> {row.message}
          </>
        ),
      },
      { id: 'made', header: text('reports.made'), cell: (row) => <Moment at={row.createdAt} /> },
      { id: 'size', header: text('reports.size'), isNumber: true, cell: (row) => readableBytes(row.sizeBytes, locale) },
      { id: 'digest', header: text('reports.digest'), cell: (row) => <span className="np-mono">{row.sha256 ?? '–'}</span> },
      { id: 'expires', header: text('reports.expires'), cell: (row) => <Moment at={row.expiresAt} /> },
      {
        id: 'download',
        header: text('reports.download'),
        cell: (row) =>
          row.status === 'READY' && row.url ? (
            <a href={row.url} download>
              {row.fileName}
            </a>
          ) : (
            '–'
          ),
      },
    ],
    [locale, text, word],
  );
}
