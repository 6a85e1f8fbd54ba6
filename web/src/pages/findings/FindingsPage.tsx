import { Switch } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useOrganization, useScope } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Empty } from '../../ui/Empty.tsx';
import { Filters, WordChoice } from '../../ui/Filters.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { SiteChoice } from '../../ui/SiteChoice.tsx';
import { severities } from '../../ui/status.tsx';
import { FindingsTable } from './FindingsTable.tsx';
import { FindingsQuery, PatchNameQuery } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/findings');

/** What is open, on which host, and why do we say so? */
export function FindingsPage() {
  const text = useText();
  const { slug } = useOrganization();
  const scope = useScope();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const filter = {
    ...scope,
    ...(search.severity ? { severity: { eq: search.severity } } : {}),
    ...(search.site ? { site: { eq: search.site } } : {}),
    ...(search.patch ? { patchId: search.patch } : {}),
    ...(search.host ? { hostId: search.host } : {}),
    ...(search.exploited ? { isKnownExploited: true } : {}),
  };
  const [state, ask] = useQuery({ query: FindingsQuery, variables: { after: search.after ?? null, filter } });
  const change = (part: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, after: undefined, ...part }) });
  const isFiltered = Object.keys(filter).length > Object.keys(scope).length;

  return (
    <Page title={text('findings.title')} question={text('findings.question')}>
      <Filters onClear={isFiltered ? () => void navigate({ search: {} }) : undefined}>
        <WordChoice
          label={text('filter.severity')}
          family="severity"
          values={severities}
          value={search.severity}
          onChange={(value) => change({ severity: severities.find((one) => one === value) })}
        />
        <SiteChoice value={search.site} onChange={(site) => change({ site })} />
        <Switch mb={8} label={text('findings.kev.only')} checked={search.exploited ?? false} onChange={(event) => change({ exploited: event.currentTarget.checked || undefined })} />
        {search.patch ? <PatchMark id={search.patch} /> : null}
        {search.host ? <Mark tone="live">{text('findings.host.only')}</Mark> : null}
      </Filters>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ findings }) => {
          const rows = findings?.nodes ?? [];
          if (rows.length === 0) {
            return <Empty title={text(isFiltered ? 'empty.nomatch.title' : 'findings.empty.title')} body={text(isFiltered ? 'empty.nomatch.body' : 'findings.empty.body')} />;
          }
          return (
            <>
              <Pager shown={rows.length} count={findings?.totalCount} after={search.after} next={findings?.pageInfo.hasNextPage ? findings.pageInfo.endCursor : null} onPage={(after) => change({ after })} />
              <FindingsTable rows={rows} org={slug} total={findings?.totalCount?.value} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function PatchMark({ id }: { id: string }) {
  const text = useText();
  const [{ data }] = useQuery({ query: PatchNameQuery, variables: { id }, requestPolicy: 'cache-first' });
  const patch = data?.node?.__typename === 'Patch' ? data.node : undefined;
  return <Mark tone="live">{text('findings.patch.only', { name: patch ? `${patch.name} ${patch.fixedVersion}` : '…' })}</Mark>;
}
