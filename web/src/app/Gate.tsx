import { Button, Center, Loader } from '@mantine/core';
import { Outlet, useNavigate } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { Provider } from 'urql';
import { createClient } from '../api/client.ts';
import { currentPerson, type Person } from '../api/session.ts';
import { useText } from '../i18n/text.ts';
import { Empty } from '../ui/Empty.tsx';
import { PersonContext } from './person.ts';

type Boot = { state: 'asking' } | { state: 'failed' } | { state: 'in'; person: Person };

/** Lets in who is signed in; the others go to the sign-in page and come back to where they wanted to go. */
export function Gate() {
  const navigate = useNavigate();
  const text = useText();
  const [boot, setBoot] = useState<Boot>({ state: 'asking' });

  const leave = useCallback(
    (expired: boolean) => {
      if (location.pathname === '/sign-in') return;
      const next = location.pathname + location.search;
      void navigate({ to: '/sign-in', search: { next: next === '/' ? undefined : next, expired: expired || undefined }, replace: true });
    },
    [navigate],
  );
  const ask = useCallback(() => {
    currentPerson().then(
      (person) => (person ? setBoot({ state: 'in', person }) : leave(false)),
      () => setBoot({ state: 'failed' }),
    );
  }, [leave]);
  useEffect(ask, [ask]);
  const client = useMemo(() => createClient(() => leave(true)), [leave]);

  if (boot.state === 'failed') {
    const retry = <Button onClick={ask}>{text('problem.retry')}</Button>;
    return (
      <Center mih="60vh">
        <Empty title={text('problem.title')} body={text('problem.offline')} act={retry} />
      </Center>
    );
  }
  if (boot.state === 'asking') {
    return (
      <Center mih="60vh">
        <Loader aria-label={text('app.loading')} />
      </Center>
    );
  }
  return (
    <PersonContext value={boot.person}>
      <Provider value={client}>
        <Outlet />
      </Provider>
    </PersonContext>
  );
}
