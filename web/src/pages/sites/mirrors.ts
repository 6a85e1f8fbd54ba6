import type { Site } from './queries.ts';

/** Mirrors of one of a site's repositories, as a person fills them in. */
export interface MirrorsDraft {
  repository: string;
  /** One address a line, in the order to try; none: the repository itself. */
  text: string;
}

/** What is wrong with an address that somebody filled in. */
export interface Fault {
  what: 'bad' | 'twice' | 'many';
  url: string;
}

/** As many as the platform takes of one repository. */
export const mostMirrors = 8;
const mostCharacters = 500;

const trimmed = (url: string) => url.replace(/\/+$/, '');
const urlsOf = (text: string) => text.split(/\s+/).filter(Boolean).map(trimmed);

/** Every repository of the site, with the mirrors that it has. */
export const mirrorsDraftOf = (site: Pick<Site, 'upstreams' | 'mirrors'>): MirrorsDraft[] =>
  site.upstreams.map((repository) => ({ repository, text: (site.mirrors.find((one) => one.repository === repository)?.urls ?? []).join('\n') }));

/** What the API takes: nothing of repositories that are fetched from themselves. */
export const mirrorsInputOf = (draft: readonly MirrorsDraft[]) =>
  draft.map(({ repository, text }) => ({ repository, urls: urlsOf(text) })).filter(({ urls }) => urls.length > 0);

const isBase = (url: string) => url.length <= mostCharacters && /^https?:\/\/[^/?#]/.test(url) && URL.canParse(url) && !/[?#]/.test(url);

/** The first thing that the platform, or a relay, could not use; null: all of it is fine. */
export function faultOf(text: string): Fault | null {
  const urls = urlsOf(text);
  const bad = urls.find((url) => !isBase(url));
  if (bad !== undefined) return { what: 'bad', url: bad };
  const twice = urls.find((url, at) => urls.indexOf(url) !== at);
  if (twice !== undefined) return { what: 'twice', url: twice };
  const ninth = urls[mostMirrors];
  return ninth === undefined ? null : { what: 'many', url: ninth };
}
