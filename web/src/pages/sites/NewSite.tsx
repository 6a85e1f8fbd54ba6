import { Stack, Switch, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { graphql } from '../../api/graphql.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { ownZone, ZoneChoice } from '../../ui/ZoneChoice.tsx';

const CreateSite = graphql(`
  mutation CreateSite($input: SiteCreateInput!) {
    siteCreate(input: $input) { site { id } userErrors { code message } }
  }
`);

/** A place with a time zone; a relay may fetch for it only from the repositories that are named here. */
export function NewSite({ onClose }: { onClose: () => void }) {
  const text = useText();
  const { id } = useOrganization();
  const [name, setName] = useState('');
  const [zone, setZone] = useState(ownZone());
  const [isDirect, setDirect] = useState(true);
  const [upstreams, setUpstreams] = useState('');
  const change = useChange(CreateSite, (data) => data.siteCreate);

  async function commit() {
    const named = upstreams.split(/\s+/).filter(Boolean);
    const data = await change.run({ organizationId: id, name: name.trim(), timeZone: zone, directAllowed: isDirect, upstreams: named });
    if (data) onClose();
  }

  return (
    <Dialog title={text('sites.new')} onClose={onClose}>
      <Stack>
        <TextInput data-autofocus label={text('sites.new.name')} maxLength={80} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <ZoneChoice label={text('sites.zone')} value={zone} onChange={setZone} />
        <Switch label={text('sites.new.direct')} description={text('sites.new.direct.what')} checked={isDirect} onChange={(event) => setDirect(event.currentTarget.checked)} />
        <Textarea
          label={text('sites.new.upstreams')}
          description={text('sites.new.upstreams.what')}
          placeholder="https://packages.example.com/debian"
          autosize
          minRows={2}
          value={upstreams}
          onChange={(event) => setUpstreams(event.currentTarget.value)}
        />
        <Acts label={text('sites.new.make')} change={change} isOff={!name.trim()} onCommit={() => void commit()} onCancel={onClose} />
      </Stack>
    </Dialog>
  );
}
