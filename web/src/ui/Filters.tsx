import { Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { useEffect, useState, type ReactNode } from 'react';
import { useText, useWord } from '../i18n/text.ts';

/** The row of filters above a list. */
export function Filters({ children, onClear }: { children: ReactNode; onClear?: (() => void) | undefined }) {
  const text = useText();
  return (
    <Group component="search" aria-label={text('filter.label')} align="flex-end" gap="sm">
      {children}
      {onClear ? (
        <Button variant="subtle" onClick={onClear}>
          {text('filter.clear')}
        </Button>
      ) : null}
    </Group>
  );
}

interface ChoiceProps {
  label: string;
  value: string | undefined;
  options: readonly { value: string; label: string }[];
  onChange: (value: string | undefined) => void;
  /** What it is called to choose none of them; "any" unless said. */
  none?: string;
}

/** One of a few, or any. */
export function Choice({ label, value, options, onChange, none }: ChoiceProps) {
  const text = useText();
  return (
    <NativeSelect
      label={label}
      value={value ?? ''}
      data={[{ value: '', label: none ?? text('filter.any') }, ...options]}
      onChange={(event) => onChange(event.currentTarget.value || undefined)}
    />
  );
}

/** One value of an enumeration, or any. */
export function WordChoice({ label, family, values, value, onChange }: Omit<ChoiceProps, 'options'> & { family: string; values: readonly string[] }) {
  const word = useWord();
  return <Choice label={label} value={value} onChange={onChange} options={values.map((one) => ({ value: one, label: word(family, one) }))} />;
}

/** Text that is asked for when typing pauses. The first one on a page gets the `/` key. */
export function TextFilter({ label, value, onChange }: { label: string; value: string | undefined; onChange: (value: string | undefined) => void }) {
  const [typed, setTyped] = useState(value ?? '');
  const [known, setKnown] = useState(value);
  if (known !== value) {
    setKnown(value);
    setTyped(value ?? '');
  }
  useEffect(() => {
    if (typed === (value ?? '')) return undefined;
    const timer = setTimeout(() => onChange(typed || undefined), 250);
    return () => clearTimeout(timer);
  }, [typed, value, onChange]);
  return <TextInput label={label} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} data-filter />;
}
