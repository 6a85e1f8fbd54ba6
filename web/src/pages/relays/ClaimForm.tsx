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
import { ClaimRelay, ClaimSitesQuery, ReplaceRelay } from './queries.ts';

/** Where the relay belongs; pressing the button says that the fingerprints are equal. */
export function ClaimForm({ code }: { code: string }) {
  const text = useText();
  const { id, name: organization, slug } = useOrganization();
  const [{ data }] = useQuery({ query: ClaimSitesQuery, variables: { id } });
  const sites = data?.organization?.sites?.nodes ?? [];
  const [chosen, setChosen] = useState('');
  const [name, setName] = useState('');
  const [claimed, setClaimed] = useState<string | null>(null);
  const [replaced, setReplaced] = useState('');
  const claim = useChange(ClaimRelay, (answer) => answer.relayClaim);
  const replace = useChange(ReplaceRelay, (answer) => answer.relayReplace);
  const relays = sites.flatMap((one) => (one.relays ?? []).map((relay) => ({ ...relay, site: one })));
  const old = relays.find((relay) => relay.id === replaced);
  const site = old?.site ?? sites.find((one) => one.id === chosen) ?? sites[0];
  const toSites = (
    <Link className="np-link" to="/o/$org/sites" params={{ org: slug }}>
      {text('claim.sites')}
    </Link>
  );

  async function commit() {
    if (!site) return;
    if (old) {
      const put = await replace.run({ id: old.id, claimCode: code });
      if (put) setClaimed(put.relayReplace.relay?.name ?? old.name);
      return;
    }
    const done = await claim.run({ organizationId: id, siteId: site.id, claimCode: code, name: name.trim() });
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
        {relays.length > 0 ? (
          <NativeSelect
            label={text('claim.replaces')}
            value={old?.id ?? ''}
            data={[{ value: '', label: text('claim.replaces.none') }, ...relays.map((relay) => ({ value: relay.id, label: `${relay.name}, ${relay.site.name}` }))]}
            onChange={(event) => setReplaced(event.currentTarget.value)}
          />
        ) : null}
        {old ? null : (
          <>
            <NativeSelect label={text('filter.site')} value={site?.id ?? ''} data={sites.map((one) => ({ value: one.id, label: one.name }))} onChange={(event) => setChosen(event.currentTarget.value)} />
            <TextInput label={text('claim.name')} maxLength={80} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          </>
        )}
      </Group>
      {old ? <Text size="sm">{text('claim.replaces.what', { name: old.name })}</Text> : null}
      <Acts
        label={old ? text('claim.replaces.commit', { name: old.name }) : text('claim.commit', { organization })}
        change={old ? replace : claim}
        isOff={!site || !(old || name.trim())}
        onCommit={() => void commit()}
      />
    </Stack>
  );
}
