import { Group, Stack, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { Checks } from '../../ui/Checks.tsx';
import { Panel } from '../../ui/Page.tsx';
import { Secret } from '../../ui/Secret.tsx';
import { CreateUser, roles } from './queries.ts';

/** Lets somebody in, with a first password that is shown once. */
export function NewPerson({ onMade }: { onMade: () => void }) {
  const text = useText();
  const word = useWord();
  const { id } = useOrganization();
  const [name, setName] = useState('');
  const [email, setEmail] = useState('');
  const [chosen, setChosen] = useState<(typeof roles)[number][]>(['TECHNICIAN']);
  const [made, setMade] = useState<{ email: string; password: string | null } | null>(null);
  const change = useChange(CreateUser, (data) => data.userCreate);

  async function commit() {
    const data = await change.run({ organizationId: id, name: name.trim(), email: email.trim(), roles: chosen });
    if (!data) return;
    setMade({ email: email.trim(), password: data.userCreate.initialPassword });
    setName('');
    setEmail('');
    onMade();
  }

  return (
    <Panel title={text('access.person.new')} id="new-person">
      <Stack>
        <Group align="flex-start">
          <TextInput label={text('access.name')} maxLength={80} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <TextInput type="email" label={text('signin.email')} w={280} value={email} onChange={(event) => setEmail(event.currentTarget.value)} />
        </Group>
        <Checks label={text('access.roles')} values={roles} chosen={chosen} word={(one) => word('role', one)} onChange={setChosen} />
        <dl className="np-facts">
          {chosen.map((one) => (
            <div key={one} style={{ display: 'contents' }}>
              <dt>{word('role', one)}</dt>
              <dd>{word('role.may', one)}</dd>
            </div>
          ))}
        </dl>
        <Acts label={text('access.person.make')} change={change} isOff={!name.trim() || !email.includes('@') || chosen.length === 0} onCommit={() => void commit()} />
        {made ? <Secret label={text('access.password', { email: made.email })} value={made.password} use={text('access.password.use')} /> : null}
      </Stack>
    </Panel>
  );
}
