const ago = (now: number, hours: number) => new Date(now - hours * 3_600_000).toISOString();

/** Three feeds: one of a pack, one fetched, one whose newer files wait for a person. */
export function feeds(now: number) {
  const none = { problem: null, source: null, fetchedAt: null, waitingFor: null, waitingSince: null, waitingRecords: null, canary: null };
  return [
    {
      ...none, __typename: 'Feed', name: 'debian-bookworm', records: 14_880, skipped: 0, dataAsOf: ago(now, 60), importedAt: ago(now, 2),
      licence: 'Debian security tracker, MIT', limits: 'No rows for what is unfixed, not affected, or was judged minor.', epoch: 7,
    },
    {
      ...none, __typename: 'Feed', name: 'kev', records: 1_412, skipped: 1, problem: 'kev.json record 12: no cveID', dataAsOf: ago(now, 30), importedAt: ago(now, 5),
      licence: 'CISA, CC0', limits: 'Only what is known to be exploited.', epoch: 6, source: 'https://feeds.example/kev.json', fetchedAt: ago(now, 1),
    },
    {
      ...none, __typename: 'Feed', name: 'csaf-redhat', records: 9_204, skipped: 0, dataAsOf: ago(now, 90), importedAt: ago(now, 48), licence: 'Red Hat, CC BY 4.0',
      limits: 'Red Hat’s own products.', epoch: 5, source: 'https://feeds.example/csaf/', fetchedAt: ago(now, 1),
      waitingFor: '921 records instead of 9,204: it shrank to 10 %', waitingSince: ago(now, 1), waitingRecords: 921,
      canary: { __typename: 'Canary', manifests: 50, components: 31_204, affectedBefore: 812, affectedAfter: 90, newlyAffected: 0, cleared: 722, isFirst: false },
    },
  ];
}
