import { Alert, Button, Center, Paper, PasswordInput, Stack, TextInput, Title } from '@mantine/core';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent } from 'react';
import { signIn, type SignIn } from '../../api/session.ts';
import { useText } from '../../i18n/text.ts';

const route = getRouteApi('/sign-in');

/** Only a path of this portal, never another site's address. */
function safeTarget(next: string | undefined) {
  return next && next.startsWith('/') && !next.startsWith('//') && !next.includes('\\') ? next : '/';
}

/** Sign-in with a local account. Password managers and pasting work (WCAG 3.3.8). */
export function SignInPage() {
  const text = useText();
  const router = useRouter();
  const { next, expired } = route.useSearch();
  const [outcome, setOutcome] = useState<Exclude<SignIn, 'ok'> | null>(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    document.title = text('signin.title');
  }, [text]);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    const result = await signIn(String(form.get('email')), String(form.get('password')));
    setBusy(false);
    if (result === 'ok') router.history.push(safeTarget(next));
    else setOutcome(result);
  }

  return (
    <Center component="main" mih="80vh" p="md">
      <Paper withBorder p="xl" w={400} maw="100%">
        <form onSubmit={(event) => void submit(event)}>
          <Stack>
            <Title order={1} size="h3">
              {text('signin.title')}
            </Title>
            {expired && !outcome ? <Alert variant="outline">{text('signin.expired')}</Alert> : null}
            <TextInput label={text('signin.email')} name="email" type="email" autoComplete="username" required withAsterisk={false} />
            <PasswordInput
              label={text('signin.password')}
              name="password"
              autoComplete="current-password"
              required
              withAsterisk={false}
              visibilityToggleButtonProps={{ 'aria-hidden': true, tabIndex: -1 }}
            />
            <div role="alert">{outcome ? <p style={{ margin: 0, color: 'var(--np-bad-fg)', background: 'var(--np-bad-bg)', padding: '0.6rem' }}>{text(`signin.${outcome}`)}</p> : null}</div>
            <Button type="submit" loading={isBusy}>
              {text('signin.submit')}
            </Button>
          </Stack>
        </form>
      </Paper>
    </Center>
  );
}
