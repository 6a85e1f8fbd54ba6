import { Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

/** Why there is nothing, and one thing to do. */
export function Empty({ title, body, act }: { title: string; body: string; act?: ReactNode }) {
  return (
    <section className="np-panel">
      <Stack gap="xs" align="flex-start">
        <Title order={2} size="h4">
          {title}
        </Title>
        <Text className="np-muted">{body}</Text>
        {act}
      </Stack>
    </section>
  );
}
