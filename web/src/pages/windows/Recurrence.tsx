import { Group, NativeSelect, TextInput } from '@mantine/core';
import { useText } from '../../i18n/text.ts';
import { Checks } from '../../ui/Checks.tsx';
import { NumberField } from '../../ui/NumberField.tsx';
import { cadences, ordinals, weekdays, type Draft } from './draft.ts';

/** How often a window recurs. */
export function Recurrence({ draft, set }: { draft: Draft; set: (part: Partial<Draft>) => void }) {
  const text = useText();
  return (
    <>
      <NativeSelect
        label={text('windows.new.kind')}
        value={draft.isBlackout ? 'blackout' : 'window'}
        data={(['window', 'blackout'] as const).map((one) => ({ value: one, label: text(`windows.kind.${one}.what`) }))}
        onChange={(event) => set({ isBlackout: event.currentTarget.value === 'blackout' })}
      />
      <NativeSelect
        label={text('windows.recurs')}
        value={draft.cadence}
        data={cadences.map((one) => ({ value: one, label: text(`windows.cadence.${one}`) }))}
        onChange={(event) => set({ cadence: cadences.find((one) => one === event.currentTarget.value) ?? 'week' })}
      />
      {draft.cadence === 'week' ? (
        <Checks label={text('windows.new.days')} values={weekdays} chosen={draft.days} word={(day) => text(`weekday.${day}`)} onChange={(days) => set({ days })} />
      ) : null}
      {draft.cadence === 'month' ? (
        <Group align="flex-start">
          <NativeSelect
            label={text('windows.new.ordinal')}
            value={draft.ordinal}
            data={ordinals.map((one) => ({ value: one, label: text(`ordinal.${one}`) }))}
            onChange={(event) => set({ ordinal: ordinals.find((one) => one === event.currentTarget.value) ?? '2' })}
          />
          <NativeSelect
            label={text('windows.new.weekday')}
            value={draft.weekday}
            data={weekdays.map((one) => ({ value: one, label: text(`weekday.${one}`) }))}
            onChange={(event) => set({ weekday: weekdays.find((one) => one === event.currentTarget.value) ?? 'TU' })}
          />
          <NumberField label={text('windows.new.offset')} width={120} min={-28} max={28} value={draft.offsetDays} onChange={(offsetDays) => set({ offsetDays })} />
        </Group>
      ) : null}
      {draft.cadence === 'rule' ? (
        <TextInput label={text('windows.new.rule')} description={text('windows.new.rule.what')} value={draft.rule} onChange={(event) => set({ rule: event.currentTarget.value })} />
      ) : null}
    </>
  );
}
