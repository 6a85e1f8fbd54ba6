import { Text } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Loaded } from '../../ui/Loaded.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { FindingsTable } from '../findings/FindingsTable.tsx';
import { HostFindingsQuery } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/hosts/$host');

/** The host's findings, worst first. */
export function HostFindings({ id }: { id: string }) {
  const text = useText();
  const { slug } = useOrganization();
  const { after, severity } = route.useSearch();
  const navigate = route.useNavigate();
  const filter = severity ? { severity: { eq: severity } } : {};
  const [state, ask] = useQuery({ query: HostFindingsQuery, variables: { id, after: after ?? null, filter } });
  return (
    <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
      {({ node }) => {
        const findings = node?.__typename === 'Host' ? node.findings : undefined;
        const rows = findings?.nodes ?? [];
        if (rows.length === 0) return <Text>{text('findings.empty.title')}.</Text>;
        return (
          <>
            <Pager
              shown={rows.length}
              count={findings?.totalCount}
              after={after}
              next={findings?.pageInfo.hasNextPage ? findings.pageInfo.endCursor : null}
              onPage={(next) => void navigate({ search: (before) => ({ ...before, after: next }) })}
            />
            <FindingsTable rows={rows} org={slug} withHost={false} total={findings?.totalCount?.value} />
          </>
        );
      }}
    </Loaded>
  );
}
