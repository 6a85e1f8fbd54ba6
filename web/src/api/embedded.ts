/**
 * Types without an id: the cache keeps them inside of the object that holds them.
 * A test compares this list with the schema.
 */
export const embeddedTypes = [
  'Actor',
  'ApprovalDecision',
  'AssetLineError',
  'BlockEntry',
  'Checkpoint',
  'ComplianceCell',
  'ConsistencyProof',
  'CountEstimate',
  'DeploymentPlan',
  'Evidence',
  'Feed',
  'FindingGroup',
  'InclusionProof',
  'Label',
  'Member',
  'MissingApproval',
  'Occurrence',
  'Offer',
  'OrganizationEvent',
  'PageInfo',
  'PlannedWave',
  'Platform',
  'PolicyExplanation',
  'PolicyRule',
  'QueueItem',
  'RateLimit',
  'RelayPreview',
  'Risk',
  'RiskTerm',
  'Rollout',
  'RunError',
  'RunEvent',
  'SelectorTerm',
  'SeverityCount',
  'SiteWindow',
  'Ssvc',
  'Viewer',
  'WaveCounts',
  'WaveProgressEvent',
  'WaveSize',
] as const;

/** Families of types without an id, by the end of their name. */
export const embeddedSuffixes = ['Connection', 'Edge', 'Payload', 'Error'] as const;
