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

/** Compliance of everything that the viewer may see, by organization. */
export const CustomersQuery = graphql(`
  query Customers {
    viewer {
      organizations(first: 100) {
        nodes {
          id
          name
          slug
          compliance { id asOf isProvisional cells { severity hosts compliant unknown findings } }
        }
      }
    }
  }
`);

/** How compliance went on. */
export const HistoryQuery = graphql(`
  query ComplianceHistory($id: ID!) {
    organization(id: $id) {
      id
      complianceHistory(first: 30) {
        nodes { id asOf cells { severity hosts compliant unknown findings } }
      }
    }
  }
`);

/** What runs and what is next. */
export const NextQuery = graphql(`
  query Next($id: ID!) {
    deployments(first: 5, filter: { organizationId: $id, status: [RUNNING, PAUSED, HALTED, SCHEDULED, AWAITING_APPROVAL] }) {
      nodes { id name status reason }
    }
    queue(first: 5, filter: { organizationId: $id }) {
      nodes { hostCount patch { id name fixedVersion severity } risk { score } }
    }
  }
`);
