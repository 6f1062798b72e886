/** Name rules of Kubernetes (RFC 1123, RFC 1035, IANA service names), each answering the broken rules in its words. */
export type NameRule = 'dns1123-subdomain' | 'dns1123-label' | 'dns1035-label' | 'path-segment';

interface Rule {
  readonly pattern: RegExp;
  readonly max: number;
  readonly sentence: string;
}

const RULES: Record<Exclude<NameRule, 'path-segment'>, Rule> = {
  'dns1123-subdomain': {
    pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
    max: 253,
    sentence:
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
  },
  'dns1123-label': {
    pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    max: 63,
    sentence:
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  },
  'dns1035-label': {
    pattern: /^[a-z]([-a-z0-9]*[a-z0-9])?$/,
    max: 63,
    sentence:
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
  },
};

/** The rules that `name` breaks; none when it is fine. */
export function checkName(name: string, rule: NameRule): string[] {
  if (rule === 'path-segment') return checkPathSegment(name);
  const { pattern, max, sentence } = RULES[rule];
  const tooLong = name.length > max ? [`must be no more than ${max} characters`] : [];
  return pattern.test(name) ? tooLong : [...tooLong, sentence];
}

function checkPathSegment(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`];
  return ['/', '%'].filter((part) => name.includes(part)).map((part) => `may not contain '${part}'`);
}

const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const QUALIFIED_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

/** The rules that a label value breaks. */
export function checkLabelValue(value: string): string[] {
  if (value.length > 63) return ['must be no more than 63 characters'];
  if (LABEL_VALUE.test(value)) return [];
  return [
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
  ];
}

/** The rules that a label or annotation key (`[prefix/]name`) breaks. */
export function checkQualifiedName(name: string): string[] {
  const parts = name.split('/');
  if (parts.length > 2) return [QUALIFIED_SENTENCE + PREFIX_SENTENCE];
  const last = parts.at(-1)!;
  const prefix = parts.length === 2 ? parts[0]! : undefined;
  const errors = prefix === undefined ? [] : checkPrefix(prefix);
  if (last === '') return [...errors, 'name part must be non-empty', `name part ${QUALIFIED_SENTENCE}`];
  if (last.length > 63) errors.push('name part must be no more than 63 characters');
  if (!QUALIFIED_NAME.test(last)) errors.push(`name part ${QUALIFIED_SENTENCE}`);
  return errors;
}

function checkPrefix(prefix: string): string[] {
  if (prefix === '') return ['prefix part must be non-empty'];
  return checkName(prefix, 'dns1123-subdomain').map((error) => `prefix part ${error}`);
}

const QUALIFIED_SENTENCE =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const PREFIX_SENTENCE = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";

/** The rules that a named port breaks (RFC 6335, 15 characters). */
export function checkPortName(name: string): string[] {
  const errors: string[] = [];
  if (name.length > 15) errors.push('must be no more than 15 characters');
  if (!/^[a-z0-9-]+$/.test(name)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)');
  if (name.includes('--')) errors.push('must not contain consecutive hyphens');
  if (name.startsWith('-') || name.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}
