import { Group, Stack, Text, Title } from '@mantine/core';
import { useEffect, type ReactNode } from 'react';

/** Heading, the question that the page answers, content. The document's title follows. */
export function Page({ title, question, acts, children }: { title: string; question?: string; acts?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · NetPatch`;
  }, [title]);
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-end">
        <div>
          <Title order={1} size="h2" tabIndex={-1} id="page-title">
            {title}
          </Title>
          {question ? <Text className="np-muted">{question}</Text> : null}
        </div>
        {acts}
      </Group>
      {children}
    </Stack>
  );
}

/** A titled part of a page. */
export function Panel({ title, acts, children, id }: { title: string; acts?: ReactNode; children: ReactNode; id: string }) {
  return (
    <section className="np-panel" aria-labelledby={id}>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4" id={id}>
          {title}
        </Title>
        {acts}
      </Group>
      {children}
    </section>
  );
}

/** Names and values. */
export function Facts({ rows }: { rows: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="np-facts">
      {rows.map(([name, value]) => (
        <div key={name} style={{ display: 'contents' }}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
