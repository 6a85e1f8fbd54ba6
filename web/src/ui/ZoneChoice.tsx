import { TextInput } from '@mantine/core';
import { useId } from 'react';

const zones = Intl.supportedValuesOf('timeZone');

/** The viewer's own time zone. */
export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

interface Props {
  label: string;
  description?: string;
  value: string;
  onChange: (zone: string) => void;
}

/** An IANA time zone: typed, with the browser's own list of suggestions. */
export function ZoneChoice({ label, description, value, onChange }: Props) {
  const list = useId();
  return (
    <>
      <TextInput label={label} description={description} list={list} value={value} onChange={(event) => onChange(event.currentTarget.value)} />
      <datalist id={list}>
        {zones.map((zone) => (
          <option key={zone}>{zone}</option>
        ))}
      </datalist>
    </>
  );
}
