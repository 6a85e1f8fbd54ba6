import { Button, Group, Text } from '@mantine/core';
import { useText } from '../i18n/text.ts';

interface Props {
  shown: number;
  count: { value: number; display: string } | null | undefined;
  after: string | undefined;
  next: string | null | undefined;
  onPage: (after: string | undefined) => void;
}

/** How many rows there are, and the way to the others. Pages are in the address, so Back leads to the one before. */
export function Pager({ shown, count, after, next, onPage }: Props) {
  const text = useText();
  // A list that is not counted but fits on one page is counted by looking at it.
  const isWhole = !count && !after && !next;
  return (
    <Group component="nav" aria-label={text('table.pages')} gap="sm">
      <Text aria-live="off" fw={600}>
        {count ? text('table.total', { display: count.display, count: count.value }) : text(isWhole ? 'table.rows' : 'table.shown', { count: shown })}
      </Text>
      {count && count.value !== shown ? <Text className="np-muted">{text('table.shown', { count: shown })}</Text> : null}
      {after ? (
        <Button variant="default" size="xs" onClick={() => onPage(undefined)}>
          {text('table.first')}
        </Button>
      ) : null}
      {next ? (
        <Button variant="default" size="xs" onClick={() => onPage(next)}>
          {text('table.next')}
        </Button>
      ) : null}
    </Group>
  );
}
