import { TextInput } from '@mantine/core';
import type { ReactNode } from 'react';

interface Props {
  label: string;
  description?: ReactNode;
  value: number;
  min: number;
  max: number;
  width?: number;
  onChange: (value: number) => void;
}

/** A whole number between two limits, in the browser's own field: it needs no script of its own. */
export function NumberField({ label, description, value, min, max, width, onChange }: Props) {
  return (
    <TextInput
      type="number"
      label={label}
      description={description}
      w={width}
      min={min}
      max={max}
      step={1}
      value={Number.isNaN(value) ? '' : value}
      error={value >= min && value <= max ? undefined : `${min} – ${max}`}
      onChange={(event) => onChange(event.currentTarget.valueAsNumber)}
    />
  );
}
