import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { useText } from '../../i18n/text.ts';
import { CopyLine } from '../../ui/CopyLine.tsx';
import { Page, Panel } from '../../ui/Page.tsx';
import { usePlatform } from '../../ui/platform.ts';
import { readCode } from './code.ts';
import { Found } from './Found.tsx';

const route = getRouteApi('/signed-in/o/$org/relays/claim');

/** Is this the relay that I plugged in? */
export function ClaimPage() {
  const text = useText();
  const { code } = route.useSearch();
  const navigate = route.useNavigate();
  const shown = readCode(code ?? '');
  const [typed, setTyped] = useState(shown ?? '');
  const [isWrong, setWrong] = useState(false);

  function look(event: FormEvent) {
    event.preventDefault();
    const read = readCode(typed);
    setWrong(!read);
    if (read) void navigate({ search: { code: read } });
  }

  return (
    <Page title={text('claim.title')} question={text('claim.question')}>
      <Panel title={text('claim.code')} id="code">
        <form onSubmit={look}>
          <Stack gap="sm">
            <Text size="sm">{text('claim.code.what')}</Text>
            <Group align="flex-start">
              <TextInput
                label={text('claim.code.label')}
                placeholder="BCDF-GHJK"
                autoComplete="off"
                spellCheck={false}
                value={typed}
                error={isWrong ? text('claim.code.wrong') : undefined}
                onChange={(event) => setTyped(event.currentTarget.value.toUpperCase())}
              />
              <Button type="submit" mt={25}>
                {text('claim.look')}
              </Button>
            </Group>
            <Starting />
          </Stack>
        </form>
      </Panel>
      {shown ? <Found key={shown} code={shown} /> : null}
    </Page>
  );
}

/** For who has not started the relay yet. */
function Starting() {
  const text = useText();
  const platform = usePlatform();
  if (!platform) return null;
  return (
    <details>
      <summary>{text('claim.start')}</summary>
      <Stack gap="xs" mt="xs">
        <Text size="sm">{text('claim.start.what')}</Text>
        <CopyLine label={text('claim.start.line')} line={`sudo netpatch-relay claim --server ${platform.server} --fingerprint ${platform.rootFingerprint}`} />
      </Stack>
    </details>
  );
}
