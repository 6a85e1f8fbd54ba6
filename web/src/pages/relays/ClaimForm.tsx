import { Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useQuery } from 'urql';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { CopyLine } from '../../ui/CopyLine.tsx';
import { Mark } from '../../ui/Mark.tsx';
import { ClaimRelay, ClaimSitesQuery } from './queries.ts';

/** Where the relay belongs; pressing the button says that the fingerprints are equal. */
export function ClaimForm({ code }: { code: string }) {
  const text = useText();
  const { id, name: organization, slug } = useOrganization();
  const [{ data }] = useQuery({ query: ClaimSitesQuery, variables: { id } });
  const sites = data?.organization?.sites?.nodes ?? [];
  const [chosen, setChosen] = useState('');
  const [name, setName] = useState('');
  const [claimed, setClaimed] = useState<string | null>(null);
  const change = useChange(ClaimRelay, (answer) => answer.relayClaim);
  const site = sites.find((one) => one.id === chosen) ?? sites[0];
  const toSites = (
    <Link className="np-link" to="/o/$org/sites" params={{ org: slug }}>
      {text('claim.sites')}
    </Link>
  );

  async function commit() {
    if (!site) return;
    const done = await change.run({ organizationId: id, siteId: site.id, claimCode: code, name: name.trim() });
    if (done) setClaimed(done.relayClaim.relay?.name ?? name);
  }

  if (claimed !== null) {
    return (
      <Stack mt="md" gap="xs" role="status">
        <div>
          <Mark tone="good">{text('claim.done', { name: claimed, site: site?.name ?? '' })}</Mark>
        </div>
        <Text size="sm">{text('claim.done.next')}</Text>
        <CopyLine label={text('claim.run.line')} line="sudo netpatch-relay run" />
        {toSites}
      </Stack>
    );
  }
  if (data && !site) {
    return (
      <Text mt="md">
        {text('claim.nosite')} {toSites}
      </Text>
    );
  }
  return (
    <Stack mt="md">
      <Text>{text('claim.compare')}</Text>
      <Group align="flex-start">
        <NativeSelect label={text('filter.site')} value={site?.id ?? ''} data={sites.map((one) => ({ value: one.id, label: one.name }))} onChange={(event) => setChosen(event.currentTarget.value)} />
        <TextInput label={text('claim.name')} maxLength={80} value={name} onChange={(event) => setName(event.currentTarget.value)} />
      </Group>
      <Acts label={text('claim.commit', { organization })} change={change} isOff={!site || !name.trim()} onCommit={() => void commit()} />
    </Stack>
  );
}
