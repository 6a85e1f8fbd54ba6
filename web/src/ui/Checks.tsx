import { Checkbox, Group } from '@mantine/core';

interface Props<Value extends string> {
  label: string;
  description?: string;
  values: readonly Value[];
  chosen: readonly Value[];
  word: (value: Value) => string;
  onChange: (chosen: Value[]) => void;
}

/** Any of a few, side by side; in the order of `values`. */
export function Checks<Value extends string>({ label, description, values, chosen, word, onChange }: Props<Value>) {
  return (
    <Checkbox.Group label={label} description={description} value={[...chosen]} onChange={(next) => onChange(values.filter((one) => next.includes(one)))}>
      <Group mt={6} gap="md">
        {values.map((one) => (
          <Checkbox key={one} value={one} label={word(one)} />
        ))}
      </Group>
    </Checkbox.Group>
  );
}
