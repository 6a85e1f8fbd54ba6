import { Button, Fieldset, Group, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';
import { useText } from '../../i18n/text.ts';
import { Checks } from '../../ui/Checks.tsx';
import { weekdays, type HoursDraft } from './bandwidth.ts';

interface Props {
  number: number;
  hours: HoursDraft;
  children?: ReactNode;
  onChange: (part: Partial<HoursDraft>) => void;
  onRemove: () => void;
}

/** Some hours of the week, and what else is said of them. */
export function HoursFields({ number, hours, children, onChange, onRemove }: Props) {
  const text = useText();
  return (
    <Fieldset legend={text('sites.line.hours', { number })}>
      <Checks label={text('windows.new.days')} values={weekdays} chosen={hours.days} word={(day) => text(`weekday.short.${day}`)} onChange={(days) => onChange({ days })} />
      <Group mt="xs" align="flex-end">
        <TextInput type="time" label={text('sites.line.from')} value={hours.from} onChange={(event) => onChange({ from: event.currentTarget.value })} />
        <TextInput label={text('sites.line.until')} maxLength={5} w={90} value={hours.until} onChange={(event) => onChange({ until: event.currentTarget.value })} />
        {children}
        <Button variant="default" onClick={onRemove}>
          {text('sites.line.remove')}
        </Button>
      </Group>
    </Fieldset>
  );
}
