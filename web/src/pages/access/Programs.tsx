import { Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { Checks } from '../../ui/Checks.tsx';
import { CopyLine } from '../../ui/CopyLine.tsx';
import { Panel } from '../../ui/Page.tsx';
import { Secret } from '../../ui/Secret.tsx';
import { CreateClient, permissions } from './queries.ts';

/** A program that uses the API gets an id and a secret. It never approves. */
export function Programs() {
  const text = useText();
  const word = useWord();
  const { id } = useOrganization();
  const [name, setName] = useState('');
  const [chosen, setChosen] = useState<(typeof permissions)[number][]>(['READ']);
  const [made, setMade] = useState<{ clientId: string | null; clientSecret: string | null } | null>(null);
  const change = useChange(CreateClient, (data) => data.apiClientCreate);

  async function commit() {
    const data = await change.run({ organizationId: id, name: name.trim(), permissions: chosen });
    if (data) setMade(data.apiClientCreate);
  }

  return (
    <Panel title={text('access.program.new')} id="new-program">
      <Stack>
        <Text size="sm">{text('access.program.what')}</Text>
        <TextInput label={text('access.name')} maxLength={80} maw={320} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <Checks label={text('access.rights')} values={permissions} chosen={chosen} word={(one) => word('permission', one)} onChange={setChosen} />
        <Acts label={text('access.program.make')} change={change} isOff={!name.trim() || chosen.length === 0} onCommit={() => void commit()} />
        {made ? (
          <>
            <Text fw={700}>{text('access.program.id')}</Text>
            <CopyLine label={text('access.program.id')} line={made.clientId ?? ''} />
            <Secret label={text('access.program.secret')} value={made.clientSecret} use={text('access.program.use')} />
          </>
        ) : null}
      </Stack>
    </Panel>
  );
}
