import { Stack, Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useQuery } from 'urql';
import { useText } from '../../i18n/text.ts';
import { DataTable } from '../../ui/DataTable.tsx';
import { Filters, TextFilter } from '../../ui/Filters.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { HostComponentsQuery } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/hosts/$host');

/** What is installed on the host. */
export function HostComponents({ id }: { id: string }) {
  const text = useText();
  const { after, name } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: HostComponentsQuery, variables: { id, after: after ?? null, name: name ?? null } });
  const columns = useMemo(
    () => [
      { id: 'name', header: text('components.name'), cell: (row: { name: string; purl: string }) => <span title={row.purl}>{row.name}</span> },
      { id: 'version', header: text('components.version'), cell: (row: { version: string }) => <span className="np-mono">{row.version}</span> },
      { id: 'arch', header: text('components.arch'), cell: (row: { arch: string }) => row.arch },
      { id: 'source', header: text('components.source'), cell: (row: { source: string; sourceVersion: string }) => `${row.source} ${row.sourceVersion}` },
    ],
    [text],
  );
  return (
    <Stack>
      <Filters>
        <TextFilter label={text('components.filter')} value={name} onChange={(value) => void navigate({ search: (before) => ({ ...before, after: undefined, name: value }) })} />
      </Filters>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ node }) => {
          const components = node?.__typename === 'Host' ? node.components : undefined;
          const rows = components?.nodes ?? [];
          if (rows.length === 0) return <Text>{text(name ? 'components.empty' : 'components.unscanned')}</Text>;
          return (
            <>
              <Pager
                shown={rows.length}
                count={components?.totalCount}
                after={after}
                next={components?.pageInfo.hasNextPage ? components.pageInfo.endCursor : null}
                onPage={(next) => void navigate({ search: (before) => ({ ...before, after: next }) })}
              />
              <DataTable caption={text('host.tab.components')} rows={rows} columns={columns} rowId={(row) => row.id} rowName={(row) => row.name} total={components?.totalCount?.value} />
            </>
          );
        }}
      </Loaded>
    </Stack>
  );
}
