import { badRequest } from './errors.ts';

export type LabelOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';

/** One requirement of a label selector; all of a selector's must hold. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

/** `metav1.LabelSelector`. */
export interface LabelSelectorObject {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

export interface FieldRequirement {
  readonly path: string;
  readonly value: string;
  readonly negated: boolean;
}

type Labels = Readonly<Record<string, string>> | undefined;

/** The `labelSelector` query parameter: `a=b,c!=d,e in (f,g),h,!i`. Throws BadRequest. */
export function parseLabelSelector(text: string): LabelRequirement[] {
  return splitTopLevel(text).map((part) => parseRequirement(part.trim(), text));
}

const KEY = '[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?';
const VALUE = '(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?';
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const EQUALITY = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`);
const EXISTENCE = new RegExp(`^(!?)\\s*(${KEY})$`);

function parseRequirement(part: string, whole: string): LabelRequirement {
  const set = SET.exec(part);
  if (set) {
    const values = set[3]!.split(',').map((value) => value.trim());
    return { key: set[1]!, operator: set[2] === 'in' ? 'In' : 'NotIn', values };
  }
  const equality = EQUALITY.exec(part);
  if (equality) return { key: equality[1]!, operator: equality[2] === '!=' ? 'NotIn' : 'In', values: [equality[3]!] };
  const existence = EXISTENCE.exec(part);
  if (existence) return { key: existence[2]!, operator: existence[1] === '!' ? 'DoesNotExist' : 'Exists', values: [] };
  throw badRequest(`unable to parse requirement: found '${part}' in label selector ${JSON.stringify(whole)}`);
}

function splitTopLevel(text: string): string[] {
  if (text.trim() === '') return [];
  return text.split(/,(?![^(]*\))/);
}

export function matchesLabels(requirements: readonly LabelRequirement[], labels: Labels): boolean {
  return requirements.every((requirement) => matchesRequirement(requirement, labels));
}

function matchesRequirement({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const has = labels !== undefined && Object.hasOwn(labels, key);
  switch (operator) {
    case 'Exists':
      return has;
    case 'DoesNotExist':
      return !has;
    case 'In':
      return has && values.includes(labels[key]!);
    case 'NotIn':
      return !has || !values.includes(labels[key]!);
  }
}

/** The requirements of a selector object; one without any requirement matches everything, a missing one nothing. */
export function selectorRequirements(selector: LabelSelectorObject): LabelRequirement[] {
  const equal = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => requirement(key, 'In', [value]));
  const more = (selector.matchExpressions ?? []).map((e) =>
    requirement(e.key, e.operator as LabelOperator, e.values ?? []),
  );
  return [...equal, ...more];
}

function requirement(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
  return { key, operator, values };
}

/** True when a present selector matches; an absent one selects nothing. */
export function selects(selector: LabelSelectorObject | undefined, labels: Labels): boolean {
  return selector !== undefined && matchesLabels(selectorRequirements(selector), labels);
}

/** A Service's or ReplicationController's plain map selector. Empty or absent selects nothing. */
export function selectsByMap(selector: Labels, labels: Labels): boolean {
  const entries = Object.entries(selector ?? {});
  return entries.length > 0 && entries.every(([key, value]) => labels?.[key] === value);
}

/** Text form of a selector object, as `scale` and printer columns show it. */
export function formatLabelSelector(selector: LabelSelectorObject | undefined): string {
  const texts = selectorRequirements(selector ?? {}).map(({ key, operator, values }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    if (operator === 'In' && values.length === 1) return `${key}=${values[0]}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.toSorted().join(',')})`;
  });
  return texts.toSorted().join(',');
}

/** The `fieldSelector` query parameter: `a.b=c,d!=e`. Throws BadRequest. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  const parts = text.split(/(?<!\\),/).filter((part) => part.trim() !== '');
  return parts.map((part) => {
    const match = /^([^!=]+)(==|=|!=)(.*)$/.exec(part.trim());
    if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
    return { path: match[1]!, value: match[3]!.replace(/\\(.)/g, '$1'), negated: match[2] === '!=' };
  });
}
