import { Center } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useText } from '../i18n/text.ts';
import { Empty } from '../ui/Empty.tsx';

/** For an address that leads nowhere. */
export function NotFound() {
  const text = useText();
  const home = (
    <Link className="np-link" to="/">
      {text('notfound.home')}
    </Link>
  );
  return (
    <Center component="main" mih="60vh">
      <Empty title={text('notfound.title')} body={text('notfound.body')} act={home} />
    </Center>
  );
}
