import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useQuery } from 'urql';
import { deploymentStatuses } from '../../app/search.ts';
import { useOrganization, useScope } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Filters, WordChoice } from '../../ui/Filters.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { Status } from '../../ui/status.tsx';
import { Ago } from '../../ui/Time.tsx';
import { sumCounts } from './counts.ts';
import { Progress } from './Progress.tsx';
import { DeploymentsQuery, type DeploymentRow } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/deployments');

/** Is the rollout safe? */
export function DeploymentsPage() {
  const text = useText();
  const { slug } = useOrganization();
  const scope = useScope();
  const { after, status } = route.useSearch();
  const navigate = route.useNavigate();
  const columns = useColumns(slug);
  const filter = { ...scope, ...(status ? { status: [status] } : {}) };
  const [state, ask] = useQuery({ query: DeploymentsQuery, variables: { after: after ?? null, filter } });
  return (
    <Page title={text('deployments.title')} question={text('deployments.question')}>
      <Filters onClear={status ? () => void navigate({ search: {} }) : undefined}>
        <WordChoice
          label={text('filter.status')}
          family="deployment"
          values={deploymentStatuses}
          value={status}
          onChange={(value) => void navigate({ search: { status: deploymentStatuses.find((one) => one === value) } })}
        />
      </Filters>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ deployments }) => {
          const rows = deployments?.nodes ?? [];
          if (rows.length === 0 && status) return <Empty title={text('empty.nomatch.title')} body={text('empty.nomatch.body')} />;
          if (rows.length === 0) return <Nothing slug={slug} />;
          return (
            <>
              <Pager
                shown={rows.length}
                count={deployments?.totalCount}
                after={after}
                next={deployments?.pageInfo.hasNextPage ? deployments.pageInfo.endCursor : null}
                onPage={(next) => void navigate({ search: (before) => ({ ...before, after: next }) })}
              />
              <DataTable caption={text('deployments.title')} rows={rows} columns={columns} rowId={(row) => row.id} rowName={(row) => row.name} total={deployments?.totalCount?.value} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function useColumns(org: string): Column<DeploymentRow>[] {
  const text = useText();
  return useMemo(
    () => [
      {
        id: 'name',
        header: text('deployments.name'),
        cell: (row) => (
          <Link to="/o/$org/deployments/$deployment" params={{ org, deployment: row.id }}>
            {row.name}
          </Link>
        ),
      },
      {
        id: 'status',
        header: text('deployments.status'),
        cell: (row) => (
          <>
            <Status of="deployment" value={row.status} />
            <br />
            <span className="np-muted">{row.reason}</span>
          </>
        ),
      },
      { id: 'progress', header: text('deployments.progress'), cell: (row) => <Progress counts={sumCounts(row.waves ?? [])} /> },
      { id: 'created', header: text('deployments.created'), cell: (row) => <Ago at={row.createdAt} /> },
      { id: 'by', header: text('deployments.by'), cell: (row) => row.createdBy.name },
    ],
    [org, text],
  );
}

function Nothing({ slug }: { slug: string }) {
  const text = useText();
  const act = (
    <Link className="np-link" to="/o/$org/queue" params={{ org: slug }}>
      {text('deployments.empty.act')}
    </Link>
  );
  return <Empty title={text('deployments.empty.title')} body={text('deployments.empty.body')} act={act} />;
}
