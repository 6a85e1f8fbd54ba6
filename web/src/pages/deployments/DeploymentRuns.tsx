import { SegmentedControl, Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Loaded } from '../../ui/Loaded.tsx';
import { Panel } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { RunsTable } from '../runs/RunsTable.tsx';
import { DeploymentRunsQuery } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/deployments/$deployment');

/** The runs; asked for again when the counters (`stamp`) change. */
export function DeploymentRuns({ id, stamp }: { id: string; stamp: string }) {
  const text = useText();
  const { slug } = useOrganization();
  const { after, run, runs: which = 'all' } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: DeploymentRunsQuery, variables: { id, after: after ?? null } });
  const known = useRef(stamp);
  useEffect(() => {
    if (known.current === stamp) return;
    known.current = stamp;
    ask({ requestPolicy: 'network-only' });
  }, [ask, stamp]);
  const switcher = (
    <SegmentedControl
      aria-label={text('deployment.runs.which')}
      value={which}
      data={[
        { value: 'all', label: text('deployment.runs.all') },
        { value: 'failed', label: text('deployment.runs.failed') },
      ]}
      onChange={(value) => void navigate({ search: (before) => ({ ...before, runs: value === 'failed' ? 'failed' : undefined }), resetScroll: false })}
    />
  );
  return (
    <Panel title={text('deployment.runs')} id="runs" acts={switcher}>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ node }) => {
          const runs = node?.__typename === 'Deployment' ? node.runs : undefined;
          const all = runs?.nodes ?? [];
          const rows = which === 'failed' ? all.filter((one) => one.error) : all;
          if (all.length === 0) return <Text className="np-muted">{text('deployment.runs.empty')}</Text>;
          return (
            <>
              <Pager
                shown={rows.length}
                count={runs?.totalCount}
                after={after}
                next={runs?.pageInfo.hasNextPage ? runs.pageInfo.endCursor : null}
                onPage={(next) => void navigate({ search: (before) => ({ ...before, after: next }), resetScroll: false })}
              />
              <RunsTable
                rows={rows}
                org={slug}
                by="host"
                total={runs?.totalCount?.value}
                open={run}
                onOpen={(wanted) => void navigate({ search: (before) => ({ ...before, run: wanted }), resetScroll: false })}
              />
            </>
          );
        }}
      </Loaded>
    </Panel>
  );
}
