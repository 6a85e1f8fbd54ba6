import { SimpleGrid, Stack, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { graphql } from '../../api/graphql.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { Page, Panel } from '../../ui/Page.tsx';
import { newDraft, recurrence, type Draft } from './draft.ts';
import { Preview } from './Preview.tsx';
import { Recurrence } from './Recurrence.tsx';
import { When } from './When.tsx';

const route = getRouteApi('/signed-in/o/$org/windows/new');

const CreateWindow = graphql(`
  mutation CreateWindow($input: WindowCreateInput!) {
    windowCreate(input: $input) { window { id } userErrors { code message } }
  }
`);

/** A new window, with what it would do while it is being written. */
export function NewWindowPage() {
  const text = useText();
  const { id } = useOrganization();
  const navigate = route.useNavigate();
  const [draft, setDraft] = useState(() => newDraft(new Date()));
  const set = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const [settled] = useDebouncedValue(draft, 300);
  const change = useChange(CreateWindow, (data) => data.windowCreate);
  const back = () => void navigate({ to: '/o/$org/windows' });
  const rule = recurrence(draft);

  async function commit() {
    if (!rule) return;
    const data = await change.run({ organizationId: id, name: draft.name.trim(), isBlackout: draft.isBlackout, ...rule, ...(draft.zone ? { timeZone: draft.zone } : {}) });
    if (data) back();
  }

  return (
    <Page title={text('windows.new')} question={text('windows.new.question')}>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Panel title={text('windows.new.when')} id="when">
          <Stack>
            <TextInput label={text('windows.new.name')} maxLength={80} value={draft.name} onChange={(event) => set({ name: event.currentTarget.value })} />
            <Recurrence draft={draft} set={set} />
            <When draft={draft} set={set} />
            <Acts label={text('windows.new.make')} change={change} isOff={!rule || !draft.name.trim()} onCommit={() => void commit()} onCancel={back} />
          </Stack>
        </Panel>
        <Panel title={text('windows.new.preview')} id="preview">
          <Preview draft={settled} />
        </Panel>
      </SimpleGrid>
    </Page>
  );
}
