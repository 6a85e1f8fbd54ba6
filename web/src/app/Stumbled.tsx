import { Button, Center } from '@mantine/core';
import type { ErrorComponentProps } from '@tanstack/react-router';
import { useText } from '../i18n/text.ts';
import { Empty } from '../ui/Empty.tsx';

/** For an error in the portal itself. */
export function Stumbled({ reset }: ErrorComponentProps) {
  const text = useText();
  return (
    <Center mih="40vh" role="alert">
      <Empty title={text('problem.crash.title')} body={text('problem.crash.body')} act={<Button onClick={reset}>{text('problem.retry')}</Button>} />
    </Center>
  );
}
