import { Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Loaded } from '../../ui/Loaded.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { RunsTable } from '../runs/RunsTable.tsx';
import { HostRunsQuery } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/hosts/$host');

/** What was done to the host, newest first. */
export function HostRuns({ id }: { id: string }) {
  const text = useText();
  const { slug } = useOrganization();
  const { after } = route.useSearch();
  const navigate = route.useNavigate();
  const [open, setOpen] = useState<string | undefined>();
  const [state, ask] = useQuery({ query: HostRunsQuery, variables: { id, after: after ?? null } });
  return (
    <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
      {({ node }) => {
        const runs = node?.__typename === 'Host' ? node.runs : undefined;
        const rows = runs?.nodes ?? [];
        if (rows.length === 0) return <Text>{text('runs.empty')}</Text>;
        return (
          <>
            <Pager
              shown={rows.length}
              count={runs?.totalCount}
              after={after}
              next={runs?.pageInfo.hasNextPage ? runs.pageInfo.endCursor : null}
              onPage={(next) => void navigate({ search: (before) => ({ ...before, after: next }) })}
            />
            <RunsTable rows={rows} org={slug} by="deployment" total={runs?.totalCount?.value} open={open} onOpen={setOpen} />
          </>
        );
      }}
    </Loaded>
  );
}
