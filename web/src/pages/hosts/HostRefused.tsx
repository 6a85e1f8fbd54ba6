import { Stack, Text } from '@mantine/core';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useQuery } from 'urql';
import type { ResultOf } from '../../api/graphql.ts';
import { useOrganization } from '../../app/organization.ts';
import { refusalCodes } from '../../app/search.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { DataTable, type Column } from '../../ui/DataTable.tsx';
import { Filters, TextFilter, WordChoice } from '../../ui/Filters.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { HostRefusedQuery } from './queries.ts';
import { part } from './part.ts';

const route = getRouteApi('/signed-in/o/$org/hosts/$host');

type Host = Extract<NonNullable<ResultOf<typeof HostRefusedQuery>['node']>, { __typename: 'Host' }>;
type Refusal = NonNullable<Host['refusedPatches']>[number];

/** The gateway gives no more. */
const most = 1000;

/** Which updates the host cannot take, and what to do about it. */
export function HostRefused({ id }: { id: string }) {
  const text = useText();
  const { after, name, code } = route.useSearch();
  const navigate = route.useNavigate();
  const [state, ask] = useQuery({ query: HostRefusedQuery, variables: { id } });
  const columns = useColumns();
  const isFiltered = name !== undefined || code !== undefined;
  return (
    <Stack>
      <Filters onClear={isFiltered ? () => void navigate({ search: ({ tab }) => ({ tab }) }) : undefined}>
        <TextFilter label={text('refused.filter')} value={name} onChange={(value) => void navigate({ search: (before) => ({ ...before, after: undefined, name: value }) })} />
        <WordChoice
          label={text('refused.why')}
          family="refusal"
          values={refusalCodes}
          value={code}
          onChange={(value) => void navigate({ search: (before) => ({ ...before, after: undefined, code: refusalCodes.find((one) => one === value) }) })}
        />
      </Filters>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ node }) => {
          if (node?.__typename !== 'Host') return null;
          const all = node.refusedPatches ?? [];
          if (all.length === 0) return <Text>{text(node.lastScanAt ? 'refused.none' : 'components.unscanned')}</Text>;
          const fit = all.filter((one) => (!name || one.package.includes(name)) && (!code || one.code === code));
          const { rows, next } = part(fit, after);
          if (rows.length === 0) return <Text>{text('refused.empty')}</Text>;
          return (
            <>
              <Text>{text('refused.what')}</Text>
              {all.length >= most ? <Text>{text('refused.most', { count: most })}</Text> : null}
              <Pager shown={rows.length} count={{ value: fit.length, display: String(fit.length) }} after={after} next={next} onPage={(to) => void navigate({ search: (before) => ({ ...before, after: to }) })} />
              <DataTable caption={text('host.tab.refused')} rows={rows} columns={columns} rowId={refusalId} rowName={refusalId} total={fit.length} />
            </>
          );
        }}
      </Loaded>
    </Stack>
  );
}

const refusalId = (one: Refusal) => `${one.package} ${one.arch} ${one.version}`;

function useColumns(): Column<Refusal>[] {
  const text = useText();
  const word = useWord();
  const { slug } = useOrganization();
  return useMemo(
    () => [
      {
        id: 'package',
        header: text('refused.package'),
        cell: (one) => (
          <>
            {one.package} <span className="np-muted np-nowrap">{one.arch}</span>
          </>
        ),
      },
      { id: 'version', header: text('refused.version'), cell: (one) => <span className="np-mono">{one.version}</span> },
      {
        id: 'fixes',
        header: text('refused.patch'),
        cell: (one) =>
          one.patch ? (
            <Link to="/o/$org/findings" params={{ org: slug }} search={{ patch: one.patch.id }}>
              {`${one.patch.name} ${one.patch.fixedVersion}`}
            </Link>
          ) : (
            text('unknown.value')
          ),
      },
      {
        id: 'why',
        header: text('refused.why'),
        cell: (one) => (
          <>
            <strong>{word('refusal', one.code)}</strong>
            <span className="np-sentence">{one.reason}</span>
          </>
        ),
      },
    ],
    [text, word, slug],
  );
}
