import { Button, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText, useWord } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { Checks } from '../../ui/Checks.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { Secret } from '../../ui/Secret.tsx';
import { CreateWebhook, events } from './queries.ts';

/** A new endpoint; its secret is shown before the dialog closes. */
export function NewWebhook({ onClose }: { onClose: () => void }) {
  const text = useText();
  const word = useWord();
  const { id } = useOrganization();
  const [url, setUrl] = useState('https://');
  const [chosen, setChosen] = useState<(typeof events)[number][]>([...events]);
  const [made, setMade] = useState<{ secret: string | null } | null>(null);
  const change = useChange(CreateWebhook, (data) => data.webhookCreate);

  async function commit() {
    const data = await change.run({ organizationId: id, url: url.trim(), events: chosen });
    if (data) setMade({ secret: data.webhookCreate.secret });
  }

  return (
    <Dialog title={text('webhooks.new')} onClose={onClose}>
      {made ? (
        <Stack>
          <Secret label={text('webhooks.secret')} value={made.secret} use={text('webhooks.secret.use')} />
          <Button onClick={onClose}>{text('webhooks.secret.kept')}</Button>
        </Stack>
      ) : (
        <Stack>
          <Text size="sm">{text('webhooks.new.what')}</Text>
          <TextInput data-autofocus type="url" label={text('webhooks.url')} description={text('webhooks.url.what')} value={url} onChange={(event) => setUrl(event.currentTarget.value)} />
          <Checks label={text('webhooks.events')} values={events} chosen={chosen} word={(one) => word('event', one)} onChange={setChosen} />
          <Acts label={text('webhooks.new.make')} change={change} isOff={chosen.length === 0 || url.trim().length < 9} onCommit={() => void commit()} onCancel={onClose} />
        </Stack>
      )}
    </Dialog>
  );
}
