import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { graphql } from '../../api/graphql.ts';
import { useText } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { draftOf, inputOf, isReady, withHours, type RuleDraft } from './bandwidth.ts';
import { HoursFields } from './HoursFields.tsx';
import type { Site } from './queries.ts';

const SetBandwidth = graphql(`
  mutation SetBandwidth($input: SiteUpdateInput!) {
    siteUpdate(input: $input) {
      site { id bandwidth { kilobitsPerSecond rules { hours { days from until } kilobitsPerSecond } } }
      userErrors { code message }
    }
  }
`);

/** How much the site's relays may fetch, and when. */
export function BandwidthDialog({ site, onClose }: { site: Site; onClose: () => void }) {
  const text = useText();
  const [draft, setDraft] = useState(() => draftOf(site.bandwidth));
  const change = useChange(SetBandwidth, (data) => data.siteUpdate);
  const put = (id: number, part: Partial<RuleDraft>) => setDraft({ ...draft, rules: draft.rules.map((rule) => (rule.id === id ? { ...rule, ...part } : rule)) });

  async function commit() {
    const data = await change.run({ id: site.id, bandwidth: inputOf(draft) });
    if (data) onClose();
  }

  return (
    <Dialog title={`${text('sites.line')}: ${site.name}`} onClose={onClose}>
      <Stack>
        <Text size="sm">{text('sites.line.what', { zone: site.timeZone })}</Text>
        {draft.rules.map((rule, at) => (
          <HoursFields
            key={rule.id}
            number={at + 1}
            hours={rule}
            onChange={(part) => put(rule.id, part)}
            onRemove={() => setDraft({ ...draft, rules: draft.rules.filter((one) => one.id !== rule.id) })}
          >
            <Mbit value={rule.mbit} onChange={(mbit) => put(rule.id, { mbit })} />
          </HoursFields>
        ))}
        <Group align="flex-end">
          <Button variant="default" onClick={() => setDraft(withHours(draft))}>
            {text('sites.line.add')}
          </Button>
        </Group>
        <Mbit label={text(draft.rules.length > 0 ? 'sites.line.other' : 'sites.line.always')} value={draft.mbit} onChange={(mbit) => setDraft({ ...draft, mbit })} />
        <Acts label={text('sites.line.set')} change={change} isOff={!isReady(draft)} onCommit={() => void commit()} onCancel={onClose} />
      </Stack>
    </Dialog>
  );
}

/** A limit; nothing is no limit. */
function Mbit({ label, value, onChange }: { label?: string; value: string; onChange: (value: string) => void }) {
  const text = useText();
  return (
    <TextInput
      type="number"
      min={0.064}
      max={100_000}
      step="any"
      w={label ? undefined : 150}
      label={label ?? text('sites.line.mbit')}
      placeholder={text('sites.line.free')}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
