import { Button, Group, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { graphql } from '../../api/graphql.ts';
import { useText } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { areHours, hoursDraftOf, hoursInputOf, withNights, type HoursDraft } from './bandwidth.ts';
import { HoursFields } from './HoursFields.tsx';
import type { Site } from './queries.ts';

const SetStagingHours = graphql(`
  mutation SetStagingHours($input: SiteUpdateInput!) {
    siteUpdate(input: $input) { site { id stagingHours { days from until } } userErrors { code message } }
  }
`);

/** When the site's relays fetch ahead. */
export function StagingDialog({ site, onClose }: { site: Site; onClose: () => void }) {
  const text = useText();
  const [draft, setDraft] = useState(() => hoursDraftOf(site.stagingHours));
  const change = useChange(SetStagingHours, (data) => data.siteUpdate);
  const put = (id: number, part: Partial<HoursDraft>) => setDraft(draft.map((one) => (one.id === id ? { ...one, ...part } : one)));

  async function commit() {
    const data = await change.run({ id: site.id, stagingHours: hoursInputOf(draft) });
    if (data) onClose();
  }

  return (
    <Dialog title={`${text('sites.staging')}: ${site.name}`} onClose={onClose}>
      <Stack>
        <Text size="sm">{text('sites.staging.what', { zone: site.timeZone })}</Text>
        {draft.map((hours, at) => (
          <HoursFields key={hours.id} number={at + 1} hours={hours} onChange={(part) => put(hours.id, part)} onRemove={() => setDraft(draft.filter((one) => one.id !== hours.id))} />
        ))}
        <Group>
          <Button variant="default" onClick={() => setDraft(withNights(draft))}>
            {text('sites.line.add')}
          </Button>
        </Group>
        <Acts label={text('sites.staging.set')} change={change} isOff={!areHours(draft)} onCommit={() => void commit()} onCancel={onClose} />
      </Stack>
    </Dialog>
  );
}
