import { Stack, Text, Textarea } from '@mantine/core';
import { useState } from 'react';
import { useChange } from '../../api/change.ts';
import { graphql } from '../../api/graphql.ts';
import { useText } from '../../i18n/text.ts';
import { Acts } from '../../ui/Acts.tsx';
import { Dialog } from '../../ui/Dialog.tsx';
import { faultOf, mirrorsDraftOf, mirrorsInputOf, mostMirrors } from './mirrors.ts';
import type { Site } from './queries.ts';

const SetMirrors = graphql(`
  mutation SetMirrors($input: SiteUpdateInput!) {
    siteUpdate(input: $input) { site { id mirrors { repository urls } } userErrors { code message } }
  }
`);

/** From where the site's relays fetch what lies in its repositories. */
export function MirrorsDialog({ site, onClose }: { site: Site; onClose: () => void }) {
  const text = useText();
  const [draft, setDraft] = useState(() => mirrorsDraftOf(site));
  const change = useChange(SetMirrors, (data) => data.siteUpdate);
  const put = (repository: string, urls: string) => setDraft(draft.map((one) => (one.repository === repository ? { ...one, text: urls } : one)));
  const problem = (urls: string) => {
    const fault = faultOf(urls);
    return fault ? text(`sites.mirrors.${fault.what}`, { url: fault.url, most: mostMirrors }) : null;
  };

  async function commit() {
    const data = await change.run({ id: site.id, mirrors: mirrorsInputOf(draft) });
    if (data) onClose();
  }

  return (
    <Dialog title={`${text('sites.mirrors')}: ${site.name}`} onClose={onClose}>
      <Stack>
        <Text size="sm">{text('sites.mirrors.what')}</Text>
        {draft.map(({ repository, text: urls }) => (
          <Textarea
            key={repository}
            label={repository}
            placeholder={repository}
            autosize
            minRows={1}
            maxRows={mostMirrors + 1}
            value={urls}
            error={problem(urls)}
            onChange={(event) => put(repository, event.currentTarget.value)}
          />
        ))}
        <Acts label={text('sites.mirrors.set')} change={change} isOff={draft.some((one) => faultOf(one.text) !== null)} onCommit={() => void commit()} onCancel={onClose} />
      </Stack>
    </Dialog>
  );
}
