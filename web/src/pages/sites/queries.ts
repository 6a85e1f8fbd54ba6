import { graphql, type ResultOf } from '../../api/graphql.ts';

/** Sites with their relays and how many hosts they have. */
export const SitesQuery = graphql(`
  query Sites($id: ID!, $after: String) {
    organization(id: $id) {
      id
      sites(first: 25, after: $after) {
        totalCount { value display }
        pageInfo { hasNextPage endCursor }
        nodes {
          id name timeZone directAllowed probesExposure servesProxy usesDeltas
          upstreams mirrors { repository urls }
          bandwidth { kilobitsPerSecond rules { hours { days from until } kilobitsPerSecond } }
          stagingHours { days from until }
          traffic { bytesServed savedBytes deltaSavedBytes storedPayloads cacheHitRatio }
          hosts(first: 1) { totalCount { value display } }
          relays { id name status lastSeenAt version cacheHitRatio bytesServed bytesFetched cacheBytes sessions
            staging { wave payloads bytes staged stagedBytes neededAt problem deployment { id name } }
          }
        }
      }
    }
  }
`);

/** One site. */
export type Site = NonNullable<NonNullable<ResultOf<typeof SitesQuery>['organization']>['sites']>['nodes'][number];

/** One relay. */
export type Relay = NonNullable<Site['relays']>[number];
