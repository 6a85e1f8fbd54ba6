import { Group, NativeSelect, Stack, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { useOrganization } from '../../app/organization.ts';
import { useText } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { NumberField } from '../../ui/NumberField.tsx';
import { Panel } from '../../ui/Page.tsx';
import { Secret } from '../../ui/Secret.tsx';
import { Install } from './Install.tsx';
import { readLabels } from './labels.ts';
import { CreateToken, type EnrolmentSite } from './queries.ts';

const lives = [3600, 86_400, 604_800] as const;

interface Props {
  sites: readonly EnrolmentSite[];
  chosen: EnrolmentSite | undefined;
  onChoose: (site: string) => void;
}

/** Makes a token for a site and says what to run on the host. */
export function NewToken({ sites, chosen, onChoose }: Props) {
  const text = useText();
  const { id } = useOrganization();
  const [uses, setUses] = useState(1);
  const [life, setLife] = useState<number>(86_400);
  const [typed, setTyped] = useState('');
  const [made, setMade] = useState<{ site: string; token: string | null } | null>(null);
  const change = useChange(CreateToken, (data) => data.enrolmentTokenCreate);
  const site = chosen ?? sites[0];
  const labels = readLabels(typed);
  if (!site) return null;
  const at = site;

  async function commit() {
    if (!labels) return;
    const data = await change.run({ organizationId: id, siteId: at.id, maxUses: uses, ttlSeconds: life, labels });
    if (data) setMade({ site: at.id, token: data.enrolmentTokenCreate.token });
  }

  return (
    <Panel title={text('enrolment.new')} id="new-token">
      <Stack>
        <Group align="flex-start">
          <NativeSelect label={text('filter.site')} value={at.id} data={sites.map((one) => ({ value: one.id, label: one.name }))} onChange={(event) => onChoose(event.currentTarget.value)} />
          <NumberField label={text('enrolment.uses')} min={1} max={1000} width={170} value={uses} onChange={setUses} />
          <NativeSelect
            label={text('enrolment.life')}
            value={String(life)}
            data={lives.map((one) => ({ value: String(one), label: text('enrolment.life.hours', { hours: one / 3600 }) }))}
            onChange={(event) => setLife(Number(event.currentTarget.value))}
          />
          <TextInput
            label={text('enrolment.labels')}
            placeholder="department=sales, exposure=internet"
            w={320}
            maw="100%"
            value={typed}
            error={labels ? undefined : text('enrolment.labels.wrong')}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
        </Group>
        <Acts label={text('enrolment.make')} change={change} isOff={!labels || !(uses >= 1)} onCommit={() => void commit()} />
        {made?.site === at.id ? (
          <>
            <Secret label={text('enrolment.token')} value={made.token} use={text('enrolment.token.use')} />
            <Install site={at} />
          </>
        ) : null}
      </Stack>
    </Panel>
  );
}
