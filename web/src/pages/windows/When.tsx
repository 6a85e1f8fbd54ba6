import { Group, NativeSelect, TextInput } from '@mantine/core';
import { useText } from '../../i18n/text.ts';
import { readableSeconds } from '../../ui/size.ts';
import { ownZone, ZoneChoice } from '../../ui/ZoneChoice.tsx';
import type { Draft } from './draft.ts';

const lengths = [30, 60, 120, 180, 240, 360, 480, 720, 1440] as const;

/** From which day, at what time, for how long, in whose time. */
export function When({ draft, set }: { draft: Draft; set: (part: Partial<Draft>) => void }) {
  const text = useText();
  return (
    <>
      <Group align="flex-start">
        <TextInput type="date" label={text('windows.new.date')} value={draft.date} onChange={(event) => set({ date: event.currentTarget.value })} />
        <TextInput type="time" label={text('windows.new.time')} value={draft.time} onChange={(event) => set({ time: event.currentTarget.value })} />
        <NativeSelect
          label={text('windows.lasts')}
          value={String(draft.minutes)}
          data={lengths.map((one) => ({ value: String(one), label: readableSeconds(one * 60) }))}
          onChange={(event) => set({ minutes: Number(event.currentTarget.value) })}
        />
      </Group>
      <NativeSelect
        label={text('windows.zone')}
        value={draft.zone ? 'one' : 'own'}
        data={(['own', 'one'] as const).map((one) => ({ value: one, label: text(`windows.zone.${one}`) }))}
        onChange={(event) => set({ zone: event.currentTarget.value === 'one' ? ownZone() : '' })}
      />
      {draft.zone ? <ZoneChoice label={text('windows.zone.which')} value={draft.zone} onChange={(zone) => set({ zone })} /> : null}
    </>
  );
}
