import { Switch } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useQuery } from 'urql';
import type { VariablesOf } from '../../api/graphql.ts';
import { useOrganization, useScope } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { DueChoice, orderBy } from '../../ui/DueChoice.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { applicabilities } from '../../app/search.ts';
import { Choice, Filters, TextFilter, WordChoice } from '../../ui/Filters.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { SiteChoice } from '../../ui/SiteChoice.tsx';
import { severities } from '../../ui/status.tsx';
import { FindingsTable } from './FindingsTable.tsx';
import { GroupsTable } from './GroupsTable.tsx';
import { FindingGroupsQuery, FindingsQuery, groupings, PatchNameQuery, type Grouping } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/findings');

/** What is open, on which host, and why do we say so? */
export function FindingsPage() {
  const text = useText();
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
    ...(search.cve ? { cve: search.cve } : {}),
    ...(search.state ? { applicability: [search.state] } : {}),
    ...(search.overdue ? { isOverdue: true } : {}),
  };
  const change = (part: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, after: undefined, ...part }) });
  const isFiltered = Object.keys(filter).length > Object.keys(scope).length;

  return (
    <Page title={text('findings.title')} question={text('findings.question')}>
      <Filters onClear={isFiltered ? () => void navigate({ search: (before) => ({ by: before.by }) }) : undefined}>
        <WordChoice
          label={text('filter.severity')}
          family="severity"
          values={severities}
          value={search.severity}
          onChange={(value) => change({ severity: severities.find((one) => one === value) })}
        />
        <SiteChoice value={search.site} onChange={(site) => change({ site })} />
        <WordChoice
          label={text('findings.state')}
          family="applicability"
          values={applicabilities}
          value={search.state}
          onChange={(value) => change({ state: applicabilities.find((one) => one === value) })}
        />
        <TextFilter label={text('findings.cve')} value={search.cve} onChange={(value) => change({ cve: value?.trim() || undefined })} />
        <Choice
          label={text('findings.by')}
          value={search.by}
          options={groupings.map((one) => ({ value: one, label: text(`findings.by.${one}`) }))}
          none={text('findings.by.finding')}
          onChange={(value) => change({ by: groupings.find((one) => one === value) })}
        />
        <DueChoice search={search} change={change} />
        <Switch mb={8} label={text('findings.kev.only')} checked={search.exploited ?? false} onChange={(event) => change({ exploited: event.currentTarget.checked || undefined })} />
        {search.patch ? <PatchMark id={search.patch} /> : null}
        {search.host ? <Mark tone="live">{text('findings.host.only')}</Mark> : null}
      </Filters>
      {search.by ? (
        <Groups by={search.by} filter={filter} after={search.after} isFiltered={isFiltered} onPage={(after) => change({ after })} />
      ) : (
        <OneByOne filter={filter} order={search.order} after={search.after} isFiltered={isFiltered} onPage={(after) => change({ after })} />
      )}
    </Page>
  );
}

interface ListProps {
  filter: VariablesOf<typeof FindingsQuery>['filter'];
  after: string | undefined;
  isFiltered: boolean;
  onPage: (after: string | undefined) => void;
}

function OneByOne({ filter, order, after, isFiltered, onPage }: ListProps & { order: 'deadline' | undefined }) {
  const { slug } = useOrganization();
  const [state, ask] = useQuery({ query: FindingsQuery, variables: { after: after ?? null, filter: filter ?? null, orderBy: orderBy(order) } });
  return (
    <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
      {({ findings }) =>
        findings?.nodes.length ? (
          <>
            <Pager shown={findings.nodes.length} count={findings.totalCount} after={after} next={findings.pageInfo.hasNextPage ? findings.pageInfo.endCursor : null} onPage={onPage} />
            <FindingsTable rows={findings.nodes} org={slug} total={findings.totalCount?.value} />
          </>
        ) : (
          <Nothing isFiltered={isFiltered} />
        )
      }
    </Loaded>
  );
}

function Groups({ by, filter, after, isFiltered, onPage }: ListProps & { by: Grouping }) {
  const { slug } = useOrganization();
  const [state, ask] = useQuery({ query: FindingGroupsQuery, variables: { by, after: after ?? null, filter: filter ?? null } });
  return (
    <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
      {({ findingGroups: groups }) =>
        groups?.nodes.length ? (
          <>
            <Pager shown={groups.nodes.length} count={groups.totalCount} after={after} next={groups.pageInfo.hasNextPage ? groups.pageInfo.endCursor : null} onPage={onPage} />
            <GroupsTable rows={groups.nodes} by={by} org={slug} total={groups.totalCount?.value} />
          </>
        ) : (
          <Nothing isFiltered={isFiltered} />
        )
      }
    </Loaded>
  );
}

function Nothing({ isFiltered }: { isFiltered: boolean }) {
  const text = useText();
  return <Empty title={text(isFiltered ? 'empty.nomatch.title' : 'findings.empty.title')} body={text(isFiltered ? 'empty.nomatch.body' : 'findings.empty.body')} />;
}

function PatchMark({ id }: { id: string }) {
  const text = useText();
  const [{ data }] = useQuery({ query: PatchNameQuery, variables: { id }, requestPolicy: 'cache-first' });
  const patch = data?.node?.__typename === 'Patch' ? data.node : undefined;
  return <Mark tone="live">{text('findings.patch.only', { name: patch ? `${patch.name} ${patch.fixedVersion}` : '…' })}</Mark>;
}
