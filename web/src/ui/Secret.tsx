import { Stack, Text } from '@mantine/core';
import { useText } from '../i18n/text.ts';
import { CopyLine } from './CopyLine.tsx';

/** Something that is shown once. It is kept nowhere: neither in the address nor in the browser's storage. */
export function Secret({ label, value, use }: { label: string; value: string | null; use: string }) {
  const text = useText();
  return (
    <Stack gap={4} role="status">
      <Text fw={700}>{label}</Text>
      {value ? <CopyLine label={label} line={value} /> : <Text>{text('secret.repeated')}</Text>}
      <Text size="sm" className="np-muted">
        {use} {text('secret.once')}
      </Text>
    </Stack>
  );
}
