import { graphql, type ResultOf } from '../../api/graphql.ts';

/** A finding as a row. */
export const FindingRow = graphql(`
  fragment FindingRow on Finding @_unmask {
    id
    hostname
    host { id }
    applicability
    firstSeenAt
    remediationDeadline
    advisory { id name severity cves isKnownExploited }
    component { id name version source }
    risk { score missing terms { name input points } }
    evidence { feed record rule installedVersion fixedVersion comparator }
  }
`);

/** What is open, highest risk first. */
export const FindingsQuery = graphql(
  `
    query Findings($after: String, $filter: FindingFilter) {
      findings(first: 50, after: $after, filter: $filter) {
        totalCount { value display }
        pageInfo { hasNextPage endCursor }
        nodes { ...FindingRow }
      }
    }
  `,
  [FindingRow],
);

/** The patch in the address, for its name. */
export const PatchNameQuery = graphql(`
  query PatchName($id: ID!) {
    node(id: $id) { __typename id ... on Patch { name fixedVersion } }
  }
`);

/** One finding. */
export type Finding = ResultOf<typeof FindingRow>;
