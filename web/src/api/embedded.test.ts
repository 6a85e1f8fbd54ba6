import { isObjectType } from 'graphql';
import { expect, it } from 'vitest';
import { loadSchema } from '../../mock/schema.ts';
import { embeddedSuffixes, embeddedTypes } from './embedded.ts';
import { messages } from '../i18n/messages.ts';

const schema = loadSchema();
const types = Object.values(schema.getTypeMap()).filter((type) => !type.name.startsWith('__'));

it('names every type without an id, so that the cache knows where to keep it', () => {
  const roots = new Set([schema.getQueryType()?.name, schema.getMutationType()?.name, schema.getSubscriptionType()?.name]);
  const without = types.filter((type) => isObjectType(type) && !('id' in type.getFields()) && !roots.has(type.name)).map((type) => type.name);
  const isKnown = (name: string) => embeddedTypes.some((one) => one === name) || embeddedSuffixes.some((suffix) => name.endsWith(suffix));
  expect(without.filter((name) => !isKnown(name))).toEqual([]);
  expect(embeddedTypes.filter((name) => !without.includes(name))).toEqual([]);
});

it('has a word for each value that a person sees', () => {
  const families = {
    Severity: 'severity', HostState: 'host', ApprovalStatus: 'approval', ApprovalVerdict: 'verdict', DeploymentStatus: 'deployment', WaveStatus: 'wave', RunStatus: 'run',
    RelayStatus: 'relay', ReportStatus: 'report', ReportKind: 'kind', Applicability: 'applicability', PolicyDecision: 'decision', PatchClassification: 'classification', Criticality: 'criticality', AssetLinkState: 'link', AssetLinkRule: 'linkrule', PatchRefusalCode: 'refusal', ProbeOutcome: 'probe',
  };
  const missing = Object.entries(families).flatMap(([name, family]) => {
    const type = schema.getType(name);
    const values = type && 'getValues' in type ? type.getValues().map((value) => value.name) : [`no enumeration ${name}`];
    return values.map((value) => `${family}.${value}`).filter((id) => !(id in messages));
  });
  expect(missing).toEqual([]);
});

