import { graphql, type ResultOf } from '../../api/graphql.ts';

/** A finding as a row. */
export const FindingRow = graphql(`
  fragment FindingRow on Finding @_unmask {
    id
    hostname
    host { id }
    applicability
    firstSeenAt
    deadline { dueAt reason baselineName sourceUrl requiresForensicTriage isOverdue }
    advisory { id name severity cves isKnownExploited }
    component { id name version source }
    offer { version label suite }
    risk { score missing terms { name input points } }
    evidence { feed record rule installedVersion fixedVersion comparator }
  }
`);

/** What is open, highest risk first. */
export const FindingsQuery = graphql(
  `
    query Findings($after: String, $filter: FindingFilter, $orderBy: FindingOrder) {
      findings(first: 50, after: $after, filter: $filter, orderBy: $orderBy) {
        totalCount { value display }
        pageInfo { hasNextPage endCursor }
        nodes { ...FindingRow }
      }
    }
  `,
  [FindingRow],
);

/** Findings counted together, the group with the highest risk first. */
export const FindingGroupsQuery = graphql(`
  query FindingGroups($by: FindingGrouping!, $after: String, $filter: FindingFilter) {
    findingGroups(by: $by, first: 50, after: $after, filter: $filter) {
      totalCount { value display }
      pageInfo { hasNextPage endCursor }
      nodes {
        hostCount findingCount score severity isKnownExploited firstSeenAt
        advisory { id name summary }
        patch { id name fixedVersion }
        host { id hostname }
        organization { id slug }
      }
    }
  }
`);

/** The patch in the address, for its name. */
export const PatchNameQuery = graphql(`
  query PatchName($id: ID!) {
    node(id: $id) { __typename id ... on Patch { name fixedVersion } }
  }
`);

/** What findings can be counted together by. */
export const groupings = ['ADVISORY', 'PATCH', 'HOST'] as const;
export type Grouping = (typeof groupings)[number];

/** One group. */
export type FindingGroup = NonNullable<ResultOf<typeof FindingGroupsQuery>['findingGroups']>['nodes'][number];

/** One finding. */
export type Finding = ResultOf<typeof FindingRow>;
