import { graphql, type ResultOf } from '../../api/graphql.ts';

/** An approval with what it is about. */
export const ApprovalRow = graphql(`
  fragment ApprovalRow on Approval @_unmask {
    id title status isAutomatic rule requestedAt required contentDigest expiresAt isLogged
    requestedBy { kind name }
    decisions { verdict reason at by { kind name } }
    group { id name }
    policy { id name }
    subject {
      __typename
      id
      ... on Patch { name release fixedVersion severity classification isKnownExploited advisoryNames hostCount cvssScore epss originLabel }
      ... on Deployment { name status }
    }
  }
`);

/** An approval. */
export type Approval = ResultOf<typeof ApprovalRow>;

/** Those that wait first. */
export const ApprovalsQuery = graphql(
  `
    query Approvals($after: String, $filter: ApprovalFilter) {
      approvals(first: 25, after: $after, filter: $filter) {
        totalCount { value display }
        pageInfo { hasNextPage endCursor }
        nodes { ...ApprovalRow }
      }
    }
  `,
  [ApprovalRow],
);

/** The approval in the address, also when it is on another page of the list. */
export const ApprovalQuery = graphql(
  `
    query Approval($id: ID!) {
      node(id: $id) { __typename id ...ApprovalRow }
    }
  `,
  [ApprovalRow],
);

/** A person's decision. */
export const DecideApproval = graphql(
  `
    mutation DecideApproval($input: ApprovalDecideInput!) {
      approvalDecide(input: $input) {
        approval { ...ApprovalRow }
        userErrors { code message }
      }
    }
  `,
  [ApprovalRow],
);
