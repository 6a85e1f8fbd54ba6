import { graphql, type ResultOf } from '../../api/graphql.ts';

/** What should be done first. */
export const QueueQuery = graphql(`
  query Queue($after: String, $filter: QueueFilter, $orderBy: FindingOrder) {
    queue(first: 50, after: $after, filter: $filter, orderBy: $orderBy) {
      totalCount { value display }
      pageInfo { hasNextPage endCursor }
      nodes {
        hostCount
        findingCount
        firstSeenAt
        deadline { dueAt reason baselineName sourceUrl requiresForensicTriage isOverdue }
        patch { id name release fixedVersion severity classification isKnownExploited originLabel }
        risk { score missing terms { name input points } }
        organization { id name slug }
        approval { id status required decisions { verdict } }
      }
    }
  }
`);

/** One line of the queue. */
export type QueueItem = NonNullable<ResultOf<typeof QueueQuery>['queue']>['nodes'][number];

/** A patch waits once for each organization. */
export const itemId = (item: QueueItem) => `${item.organization?.id ?? ''} ${item.patch.id}`;

/** Asks people for approval of one patch. */
export const RequestApproval = graphql(`
  mutation RequestApproval($input: ApprovalRequestInput!) {
    approvalRequest(input: $input) {
      approval { id status }
      userErrors { code message }
    }
  }
`);

/** Policies to choose from. */
export const PolicyNamesQuery = graphql(`
  query PolicyNames($id: ID!) {
    policies(organizationId: $id, first: 100) { nodes { id name isEnabled sentence } }
  }
`);

/** A dry run changes nothing; without it a deployment is created. */
export const PlanDeployment = graphql(`
  mutation PlanDeployment($input: DeploymentCreateInput!) {
    deploymentCreate(input: $input) {
      deployment { id name }
      plan {
        hostCount
        payloadBytes
        waves { ordinal hostCount hostnames }
        missing { reason patch { id name fixedVersion } }
        windows { nextStart site { id name timeZone } }
      }
      userErrors { code message }
    }
  }
`);

/** What a dry run found. */
export type Plan = NonNullable<ResultOf<typeof PlanDeployment>['deploymentCreate']['plan']>;
