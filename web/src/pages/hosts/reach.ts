/** Who gets through to a socket, most open first. What is not known may be open. */
export const reaches = ['open', 'unknown', 'blocked', 'local'] as const;
export type Reach = (typeof reaches)[number];

/** As the host measured it: only itself reaches a loopback address; beyond that its firewall decides. */
export function reach({ isReachable, isAllowedByFirewall }: { isReachable: boolean; isAllowedByFirewall: boolean | null }): Reach {
  if (!isReachable) return 'local';
  if (isAllowedByFirewall === null) return 'unknown';
  return isAllowedByFirewall ? 'open' : 'blocked';
}

/** Where a socket stands in the list: what others reach comes first, then what they may reach, whoever says so. */
export function order({ isExposed }: { isExposed: boolean | null }): number {
  return isExposed === true ? 0 : isExposed === null ? 1 : 2;
}
