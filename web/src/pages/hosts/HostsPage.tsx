import { Switch } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useQuery } from 'urql';
import { useOrganization, useScope } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { DataTable } from '../../ui/DataTable.tsx';
import { Empty } from '../../ui/Empty.tsx';
import { Filters, TextFilter, WordChoice } from '../../ui/Filters.tsx';
import { Loaded } from '../../ui/Loaded.tsx';
import { Page } from '../../ui/Page.tsx';
import { Pager } from '../../ui/Pager.tsx';
import { SiteChoice } from '../../ui/SiteChoice.tsx';
import { severities } from '../../ui/status.tsx';
import { useHostColumns } from './columns.tsx';
import { HostsQuery } from './queries.ts';

const route = getRouteApi('/signed-in/o/$org/hosts');

/** Which machines are there, and how do they stand? */
export function HostsPage() {
  const text = useText();
  const { kind, slug } = useOrganization();
  const scope = useScope();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const columns = useHostColumns(slug, kind === 'PARTNER');
  const filter = {
    ...scope,
    ...(search.severity ? { severity: { eq: search.severity } } : {}),
    ...(search.site ? { site: { eq: search.site } } : {}),
    ...(search.name ? { hostname: { contains: search.name } } : {}),
    ...(search.group ? { groupId: search.group } : {}),
    ...(search.reboot ? { isRebootPending: true } : {}),
    ...(search.unknown ? { isUnknown: true } : {}),
    ...(search.never ? { isNeverScanned: true } : {}),
  };
  const [state, ask] = useQuery({ query: HostsQuery, variables: { after: search.after ?? null, filter } });
  const change = (part: Partial<typeof search>) => void navigate({ search: (before) => ({ ...before, after: undefined, ...part }) });
  const isFiltered = Object.keys(filter).length > Object.keys(scope).length;

  return (
    <Page title={text('hosts.title')} question={text('hosts.question')}>
      <Filters onClear={isFiltered ? () => void navigate({ search: {} }) : undefined}>
        <TextFilter label={text('filter.hostname')} value={search.name} onChange={(name) => change({ name })} />
        <SiteChoice value={search.site} onChange={(site) => change({ site })} />
        <WordChoice
          label={text('hosts.open')}
          family="severity"
          values={severities}
          value={search.severity}
          onChange={(value) => change({ severity: severities.find((one) => one === value) })}
        />
        <Switch mb={8} label={text('hosts.reboot')} checked={search.reboot ?? false} onChange={(event) => change({ reboot: event.currentTarget.checked || undefined })} />
        <Switch mb={8} label={text('hosts.unknown')} checked={search.unknown ?? false} onChange={(event) => change({ unknown: event.currentTarget.checked || undefined })} />
        <Switch mb={8} label={text('hosts.never')} checked={search.never ?? false} onChange={(event) => change({ never: event.currentTarget.checked || undefined })} />
      </Filters>
      <Loaded state={state} retry={() => ask({ requestPolicy: 'network-only' })}>
        {({ hosts }) => {
          const rows = hosts?.nodes ?? [];
          if (rows.length === 0) {
            return <Empty title={text(isFiltered ? 'empty.nomatch.title' : 'hosts.empty.title')} body={text(isFiltered ? 'empty.nomatch.body' : 'hosts.empty.body')} />;
          }
          return (
            <>
              <Pager shown={rows.length} count={hosts?.totalCount} after={search.after} next={hosts?.pageInfo.hasNextPage ? hosts.pageInfo.endCursor : null} onPage={(after) => change({ after })} />
              <DataTable caption={text('hosts.title')} rows={rows} columns={columns} rowId={(row) => row.id} rowName={(row) => row.hostname} total={hosts?.totalCount?.value} />
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}
