import * as v from 'valibot';
import { criticalities, linkStates, severities } from '../ui/status.tsx';

/**
 * What the address of each page can say. Values that are not understood are dropped, so that an old or cut link
 * still shows something.
 */
const word = v.fallback(v.optional(v.pipe(v.string(), v.maxLength(400))), undefined);
const flag = v.fallback(v.optional(v.boolean()), undefined);
const severity = v.fallback(v.optional(v.picklist(severities)), undefined);
const oneOf = <const Options extends readonly string[]>(options: Options) => v.fallback(v.optional(v.picklist(options)), undefined);

const page = { after: word };

/** The values of deployment status. */
export const deploymentStatuses = ['DRAFT', 'AWAITING_APPROVAL', 'SCHEDULED', 'RUNNING', 'PAUSED', 'HALTED', 'COMPLETED', 'CANCELLED'] as const;

export const signInSearch = v.object({ next: word, expired: flag });
export const postureSearch = v.object({ trend: oneOf(['table', 'chart']) });
/** What a list of findings can be asked for about its deadlines. */
const due = { overdue: flag, order: oneOf(['deadline']) };

export const queueSearch = v.object({ ...page, ...due, severity, site: word });
/** What can be done about a finding. */
export const applicabilities = ['INSTALLABLE', 'HELD', 'PHASED', 'APPLICABLE', 'NO_FIX_YET', 'PENDING_REBOOT', 'SUPERSEDED'] as const;

export const findingsSearch = v.object({
  ...page, ...due, severity, site: word, host: word, patch: word, exploited: flag, cve: word, state: oneOf(applicabilities), by: oneOf(['ADVISORY', 'PATCH', 'HOST']),
});
export const hostsSearch = v.object({ ...page, severity, site: word, name: word, group: word, reboot: flag, unknown: flag, never: flag });
export const assetsSearch = v.object({ ...page, name: word, site: word, link: oneOf(linkStates), department: word, criticality: oneOf(criticalities), make: flag });
/** The parts of a host. */
export const hostTabs = ['findings', 'components', 'system', 'listening', 'refused', 'runs'] as const;
/** Why a host cannot take an update. */
export const refusalCodes = ['RELEASE_UNKNOWN', 'OTHER_RELEASE', 'ARCHITECTURE', 'DISK_TOO_SMALL'] as const;

export const hostSearch = v.object({ ...page, tab: oneOf(hostTabs), name: word, severity, exposed: flag, code: oneOf(refusalCodes) });
export const approvalsSearch = v.object({ ...page, tab: oneOf(['waiting', 'decided']), approval: word, patch: word });
export const deploymentsSearch = v.object({ ...page, status: oneOf(deploymentStatuses) });
export const deploymentSearch = v.object({ ...page, runs: oneOf(['failed', 'all']), run: word });
export const sitesSearch = v.object({ ...page, make: flag });
export const enrolmentSearch = v.object({ site: word });
export const claimSearch = v.object({ code: word });
export const webhooksSearch = v.object({ ...page, webhook: word, make: flag });
export const accessSearch = v.object({ tab: oneOf(['people', 'partners', 'programs']) });
export const pageSearch = v.object(page);
export const baselinesSearch = v.object({ ...page, make: flag });
export const ledgerSearch = v.object({ ...page, action: word, subject: word, entry: word });
