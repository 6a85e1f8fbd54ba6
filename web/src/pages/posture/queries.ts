import { graphql } from '../../api/graphql.ts';

/** One organization's compliance by site. */
export const PostureQuery = graphql(`
  query Posture($id: ID!) {
    organization(id: $id) {
      id
      compliance {
        id
        asOf
        isProvisional
        cells { severity hosts compliant unknown findings site { id name } }
      }
    }
  }
`);

/** How compliance went on. */
export const HistoryQuery = graphql(`
  query ComplianceHistory($id: ID!) {
    organization(id: $id) {
      id
      complianceHistory(first: 14) {
        nodes { id asOf cells { severity hosts compliant unknown findings } }
      }
    }
  }
`);

/** What runs and what is next. */
export const NextQuery = graphql(`
  query Next($deployments: DeploymentFilter!, $queue: QueueFilter!) {
    deployments(first: 5, filter: $deployments) {
      nodes { id name status reason }
    }
    queue(first: 5, filter: $queue) {
      nodes { hostCount organization { id name slug } patch { id name fixedVersion severity } risk { score } }
    }
  }
`);

/** What a new organization has already done. */
export const FirstRunQuery = graphql(`
  query FirstRun($id: ID!) {
    organization(id: $id) {
      id
      sites(first: 20) { nodes { id name directAllowed } }
      relays(first: 1) { nodes { id name } }
      hosts(first: 10) { nodes { id hostname lastScanAt } }
      enrolmentTokens { id }
    }
    policies(organizationId: $id, first: 1) { nodes { id name } }
    windows(organizationId: $id, first: 1) { nodes { id name } }
  }
`);
