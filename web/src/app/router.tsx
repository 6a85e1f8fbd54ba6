import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet } from '@tanstack/react-router';
import { Gate } from './Gate.tsx';
import { Home } from './Home.tsx';
import { NotFound } from './NotFound.tsx';
import { OrganizationLayout } from './OrganizationLayout.tsx';
import { Stumbled } from './Stumbled.tsx';
import * as search from './search.ts';

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound, errorComponent: Stumbled });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: search.signInSearch,
  component: lazyRouteComponent(() => import('../pages/signin/SignInPage.tsx'), 'SignInPage'),
});
const signedIn = createRoute({ getParentRoute: () => root, id: 'signed-in', component: Gate });
const home = createRoute({ getParentRoute: () => signedIn, path: '/', component: Home });
const organization = createRoute({ getParentRoute: () => signedIn, path: '/o/$org', component: OrganizationLayout });

const posture = createRoute({
  getParentRoute: () => organization,
  path: '/posture',
  validateSearch: search.postureSearch,
  component: lazyRouteComponent(() => import('../pages/posture/PosturePage.tsx'), 'PosturePage'),
});
const queue = createRoute({
  getParentRoute: () => organization,
  path: '/queue',
  validateSearch: search.queueSearch,
  component: lazyRouteComponent(() => import('../pages/queue/QueuePage.tsx'), 'QueuePage'),
});
const findings = createRoute({
  getParentRoute: () => organization,
  path: '/findings',
  validateSearch: search.findingsSearch,
  component: lazyRouteComponent(() => import('../pages/findings/FindingsPage.tsx'), 'FindingsPage'),
});
const advisory = createRoute({
  getParentRoute: () => organization,
  path: '/advisories/$advisory',
  validateSearch: search.pageSearch,
  component: lazyRouteComponent(() => import('../pages/advisories/AdvisoryPage.tsx'), 'AdvisoryPage'),
});
const hosts = createRoute({
  getParentRoute: () => organization,
  path: '/hosts',
  validateSearch: search.hostsSearch,
  component: lazyRouteComponent(() => import('../pages/hosts/HostsPage.tsx'), 'HostsPage'),
});
const host = createRoute({
  getParentRoute: () => organization,
  path: '/hosts/$host',
  validateSearch: search.hostSearch,
  component: lazyRouteComponent(() => import('../pages/hosts/HostPage.tsx'), 'HostPage'),
});
const assets = createRoute({
  getParentRoute: () => organization,
  path: '/assets',
  validateSearch: search.assetsSearch,
  component: lazyRouteComponent(() => import('../pages/assets/AssetsPage.tsx'), 'AssetsPage'),
});
const approvals = createRoute({
  getParentRoute: () => organization,
  path: '/approvals',
  validateSearch: search.approvalsSearch,
  component: lazyRouteComponent(() => import('../pages/approvals/ApprovalsPage.tsx'), 'ApprovalsPage'),
});
const deployments = createRoute({
  getParentRoute: () => organization,
  path: '/deployments',
  validateSearch: search.deploymentsSearch,
  component: lazyRouteComponent(() => import('../pages/deployments/DeploymentsPage.tsx'), 'DeploymentsPage'),
});
const deployment = createRoute({
  getParentRoute: () => organization,
  path: '/deployments/$deployment',
  validateSearch: search.deploymentSearch,
  component: lazyRouteComponent(() => import('../pages/deployments/DeploymentPage.tsx'), 'DeploymentPage'),
});
const policies = createRoute({
  getParentRoute: () => organization,
  path: '/policies',
  validateSearch: search.pageSearch,
  component: lazyRouteComponent(() => import('../pages/policies/PoliciesPage.tsx'), 'PoliciesPage'),
});
const baselines = createRoute({
  getParentRoute: () => organization,
  path: '/baselines',
  validateSearch: search.baselinesSearch,
  component: lazyRouteComponent(() => import('../pages/baselines/BaselinesPage.tsx'), 'BaselinesPage'),
});
const windows = createRoute({
  getParentRoute: () => organization,
  path: '/windows',
  validateSearch: search.pageSearch,
  component: lazyRouteComponent(() => import('../pages/windows/WindowsPage.tsx'), 'WindowsPage'),
});
const sites = createRoute({
  getParentRoute: () => organization,
  path: '/sites',
  validateSearch: search.sitesSearch,
  component: lazyRouteComponent(() => import('../pages/sites/SitesPage.tsx'), 'SitesPage'),
});
const ledger = createRoute({
  getParentRoute: () => organization,
  path: '/ledger',
  validateSearch: search.ledgerSearch,
  component: lazyRouteComponent(() => import('../pages/ledger/LedgerPage.tsx'), 'LedgerPage'),
});
const feeds = createRoute({
  getParentRoute: () => organization,
  path: '/feeds',
  component: lazyRouteComponent(() => import('../pages/feeds/FeedsPage.tsx'), 'FeedsPage'),
});
const reports = createRoute({
  getParentRoute: () => organization,
  path: '/reports',
  validateSearch: search.pageSearch,
  component: lazyRouteComponent(() => import('../pages/reports/ReportsPage.tsx'), 'ReportsPage'),
});
const newPolicy = createRoute({
  getParentRoute: () => organization,
  path: '/policies/new',
  component: lazyRouteComponent(() => import('../pages/policies/NewPolicyPage.tsx'), 'NewPolicyPage'),
});
const newWindow = createRoute({
  getParentRoute: () => organization,
  path: '/windows/new',
  component: lazyRouteComponent(() => import('../pages/windows/NewWindowPage.tsx'), 'NewWindowPage'),
});
const claim = createRoute({
  getParentRoute: () => organization,
  path: '/relays/claim',
  validateSearch: search.claimSearch,
  component: lazyRouteComponent(() => import('../pages/relays/ClaimPage.tsx'), 'ClaimPage'),
});
const enrolment = createRoute({
  getParentRoute: () => organization,
  path: '/enrolment',
  validateSearch: search.enrolmentSearch,
  component: lazyRouteComponent(() => import('../pages/enrolment/EnrolmentPage.tsx'), 'EnrolmentPage'),
});
const webhooks = createRoute({
  getParentRoute: () => organization,
  path: '/webhooks',
  validateSearch: search.webhooksSearch,
  component: lazyRouteComponent(() => import('../pages/webhooks/WebhooksPage.tsx'), 'WebhooksPage'),
});
const access = createRoute({
  getParentRoute: () => organization,
  path: '/access',
  validateSearch: search.accessSearch,
  component: lazyRouteComponent(() => import('../pages/access/AccessPage.tsx'), 'AccessPage'),
});

const pages = [posture, queue, findings, advisory, hosts, host, assets, approvals, deployments, deployment, policies, baselines, windows, sites, ledger, feeds, reports, newPolicy, newWindow, claim, enrolment, webhooks, access] as const;

const tree = root.addChildren([signIn, signedIn.addChildren([home, organization.addChildren([...pages])])]);

/** The portal's routes. All state of filters, pages and tabs is in the address. */
export const router = createRouter({ routeTree: tree, defaultPreload: 'intent', scrollRestoration: true });

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
