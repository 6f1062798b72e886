import {
  type CustomResourceDefinition,
  type DefinitionNames,
  type DefinitionStatus,
  hasCondition,
  withCondition,
} from '../../api/crd/definition.ts';

interface Conflict {
  readonly reason: string;
  readonly message: string;
}

/** The status of a definition that asks for its names while `others` have theirs. Pure. */
export function acceptNames(
  definition: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
  time: string,
): DefinitionStatus {
  const { names, group } = definition.spec;
  const rivals = others.filter(
    ({ metadata, spec }) => spec.group === group && metadata.name !== definition.metadata.name,
  );
  const taken = rivals.map(({ status }) => status?.acceptedNames).filter((accepted) => accepted?.plural);
  const conflicts = conflictsOf(names, taken as DefinitionNames[]);
  const { conditions = [] } = definition.status ?? {};
  const named = withCondition(conditions, namesCondition(conflicts), time);
  const wasEstablished = hasCondition(definition, 'Established');
  const established = wasEstablished ? named : withCondition(named, establishedCondition(conflicts), time);
  return {
    ...definition.status,
    conditions: approved(established, definition, time),
    acceptedNames:
      conflicts.length === 0 || !wasEstablished ? acceptable(names, conflicts) : definition.status?.acceptedNames,
  };
}

function conflictsOf(names: DefinitionNames, taken: readonly DefinitionNames[]): Conflict[] {
  const resources = new Set(
    taken.flatMap(({ plural, singular = '', shortNames = [] }) => [plural, singular, ...shortNames]),
  );
  const kinds = new Set(taken.flatMap(({ kind, listKind = '' }) => [kind, listKind]));
  const rows: [string, string[], Set<string>][] = [
    ['PluralConflict', [names.plural], resources],
    ['SingularConflict', [names.singular ?? ''], resources],
    ['ShortNamesConflict', names.shortNames ?? [], resources],
    ['KindConflict', [names.kind], kinds],
    ['ListKindConflict', [names.listKind ?? ''], kinds],
  ];
  return rows.flatMap(([reason, wanted, used]) =>
    wanted
      .filter((name) => name !== '' && used.has(name))
      .map((name) => ({ reason, message: `${JSON.stringify(name)} is already in use` })),
  );
}

function namesCondition([conflict]: readonly Conflict[]) {
  if (conflict) return { type: 'NamesAccepted', status: 'False' as const, ...conflict };
  return { type: 'NamesAccepted', status: 'True' as const, reason: 'NoConflicts', message: 'no conflicts found' };
}

function establishedCondition(conflicts: readonly Conflict[]) {
  const type = 'Established';
  if (conflicts.length > 0)
    return { type, status: 'False' as const, reason: 'NotAccepted', message: 'not all names are accepted' };
  const message = 'the initial names have been accepted';
  return { type, status: 'True' as const, reason: 'InitialNamesAccepted', message };
}

function acceptable(names: DefinitionNames, conflicts: readonly Conflict[]): DefinitionNames {
  return conflicts.length === 0 ? names : { plural: '', kind: '' };
}

const APPROVAL = 'api-approved.kubernetes.io';

/** Groups of the Kubernetes project itself need an approval. */
function approved(
  conditions: NonNullable<DefinitionStatus['conditions']>,
  { metadata, spec }: CustomResourceDefinition,
  time: string,
): DefinitionStatus['conditions'] {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(spec.group)) return conditions;
  const approval = metadata.annotations?.[APPROVAL] ?? '';
  const [reason, message] = approval.startsWith('unapproved')
    ? ['UnapprovedAnnotation', `not approved: ${JSON.stringify(approval)}`]
    : ['ApprovedAnnotation', `approved in ${approval}`];
  const status = reason === 'ApprovedAnnotation' ? ('True' as const) : ('False' as const);
  return withCondition(conditions, { type: 'KubernetesAPIApprovalPolicyConformant', status, reason, message }, time);
}
