import { graphql, type ResultOf } from '../../api/graphql.ts';

/** An organization's policies, whole. */
export const PoliciesQuery = graphql(`
  query Policies($id: ID!, $after: String) {
    policies(organizationId: $id, first: 25, after: $after) {
      totalCount { value display }
      pageInfo { hasNextPage endCursor }
      nodes {
        id name isEnabled isAutomatic sentence
        group { id name }
        rules { name classifications severities cvssAtLeast epssAtLeast isKnownExploited packages originLabels decision requiredApprovals deferSeconds }
        rollout { waves { hosts percent } minSuccessPercent maxFailed soakSeconds requiresRollback rebootsInWindow }
        windows { id name nextStart }
      }
    }
  }
`);

/** One policy. */
export type Policy = NonNullable<ResultOf<typeof PoliciesQuery>['policies']>['nodes'][number];

/** One rule. */
export type Rule = Policy['rules'][number];

/** What a policy can be about, and when. */
export const TargetsQuery = graphql(`
  query PolicyTargets($id: ID!) {
    organization(id: $id) { id groups { id name } }
    windows(organizationId: $id, first: 100) { nodes { id name isBlackout nextStart } }
  }
`);

export const CreatePolicy = graphql(`
  mutation CreatePolicy($input: PolicyCreateInput!) {
    policyCreate(input: $input) { policy { id } userErrors { code message } }
  }
`);
