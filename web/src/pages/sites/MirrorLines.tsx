import { useText } from '../../i18n/text.ts';
import type { Site } from './queries.ts';

/** Where the site's relays fetch, of repositories that are not fetched from where hosts name them. */
export function MirrorLines({ site }: { site: Site }) {
  const text = useText();
  if (site.mirrors.length === 0) return <span className="np-muted">{text('sites.mirrors.none')}</span>;
  return (
    <>
      {site.mirrors.map(({ repository, urls }) => (
        <div key={repository}>{text('sites.mirrors.of', { repository, urls: urls.join(', ') })}</div>
      ))}
    </>
  );
}
