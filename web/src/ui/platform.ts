import { useQuery } from 'urql';
import { graphql } from '../api/graphql.ts';

const PlatformQuery = graphql(`
  query Platform { platform { edgePort rootFingerprint } }
`);

/** What machines are told to find the platform and to know it by; null until it is known. */
export function usePlatform(): { server: string; rootFingerprint: string } | null {
  const [{ data }] = useQuery({ query: PlatformQuery, requestPolicy: 'cache-first' });
  const platform = data?.platform;
  if (!platform) return null;
  // A process that does not have the edge cannot know its port: the default stands in.
  return { server: `${location.hostname}:${platform.edgePort ?? 8443}`, rootFingerprint: platform.rootFingerprint };
}
