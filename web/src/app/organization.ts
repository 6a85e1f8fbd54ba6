import { createContext, use } from 'react';
import { graphql, type ResultOf } from '../api/graphql.ts';

/** The organizations of the viewer, for the switcher and to find the one in the address. */
export const OrganizationsQuery = graphql(`
  query Organizations {
    viewer {
      actor { kind name }
      organizations(first: 100) {
        nodes { id kind name slug }
      }
    }
  }
`);

type Found = NonNullable<ResultOf<typeof OrganizationsQuery>['viewer']['organizations']>['nodes'][number];

/** The organization in the address. */
export type Organization = Found;

/** What pages need of the organization in the address and of its neighbours. */
export interface OrganizationState {
  organization: Organization;
  all: readonly Organization[];
}

export const OrganizationContext = createContext<OrganizationState | null>(null);

/** The organization in the address. */
export function useOrganization(): Organization {
  return useOrganizations().organization;
}

/**
 * What a list is limited to: a customer's pages show the customer, a partner's show everything that the viewer may
 * see, of all customers.
 */
export function useScope(): { organizationId?: string } {
  const { id, kind } = useOrganization();
  return kind === 'PARTNER' ? {} : { organizationId: id };
}

/** The organization in the address and all that the viewer may see. */
export function useOrganizations(): OrganizationState {
  const state = use(OrganizationContext);
  if (!state) throw new Error('a page of an organization is shown outside of it');
  return state;
}
