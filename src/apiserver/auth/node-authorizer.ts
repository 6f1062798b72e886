import type { Decision } from '../rbac/authorizer.ts';
import { nodeRules } from '../rbac/default-roles.ts';
import { ruleAllows } from '../rbac/rules.ts';
import type { Attributes, ResourceAttributes } from './authorizer.ts';
import type { NodeGraph } from './node-graph.ts';

const ALLOWED: Decision = { allowed: true, reason: '' };
const READ = ['get', 'list', 'watch'];

/**
 * What the agent of `node` may do (Kubernetes documentation, "Using Node Authorization"): of Secrets, ConfigMaps and
 * claims only those that its own pods use. What is refused here may still be granted by a role.
 */
export function decideForNode(graph: NodeGraph, node: string, attributes: Attributes): Decision {
  const special = 'path' in attributes ? undefined : SPECIAL[`${attributes.group}/${attributes.resource}`];
  if (special) return special({ graph, node, attributes: attributes as ResourceAttributes });
  return { allowed: nodeRules.some((rule) => ruleAllows(rule, attributes)), reason: '' };
}

interface Question {
  readonly graph: NodeGraph;
  readonly node: string;
  readonly attributes: ResourceAttributes;
}

const SPECIAL: Readonly<Record<string, ((question: Question) => Decision) | undefined>> = {
  '/secrets': decideRead,
  '/configmaps': decideRead,
  '/persistentvolumeclaims': decideClaim,
  '/serviceaccounts': decideToken,
  '/nodes': decideNode,
  '/pods': decidePod,
  'coordination.k8s.io/leases': decideLease,
};

function no(reason: string): Decision {
  return { allowed: false, reason };
}

function related({ graph, node, attributes }: Question): Decision {
  const { resource, namespace = '', name = '' } = attributes;
  const at = { resource: resource as 'pods', namespace, name };
  if (name !== '' && graph.reaches(node, at)) return ALLOWED;
  return no(`no relationship found between node '${node}' and this object`);
}

function decideRead(question: Question): Decision {
  const { verb, subresource, name } = question.attributes;
  if (!READ.includes(verb)) return no('can only read resources of this type');
  if (subresource) return no('cannot read subresource');
  if (!name) return no('can only read namespaced object of this type');
  return related(question);
}

function decideClaim(question: Question): Decision {
  const { verb, subresource } = question.attributes;
  if (subresource === 'status') {
    if (!['get', 'update', 'patch'].includes(verb)) return no('can only get/update/patch this type');
  } else if (subresource) return no('cannot get subresource');
  else if (verb !== 'get') return no('can only get individual resources of this type');
  return related(question);
}

function decideToken(question: Question): Decision {
  const { verb, subresource } = question.attributes;
  if (verb !== 'create' || subresource !== 'token') {
    return no('can only create tokens for individual service accounts');
  }
  return related(question);
}

/** Which Node is written, admission looks after: a new one has no name in its path. */
function decideNode({ node, attributes: { verb, subresource, name } }: Question): Decision {
  if (subresource === 'status') return ['update', 'patch'].includes(verb) ? ALLOWED : no('');
  if (subresource) return no('');
  if (['create', 'update', 'patch'].includes(verb)) return ALLOWED;
  if (!READ.includes(verb)) return no('');
  if (name === node) return ALLOWED;
  if (!name) return no(`node '${node}' cannot read all nodes, only its own Node object`);
  return no(`node '${node}' cannot read '${name}', only its own Node object`);
}

function decidePod(question: Question): Decision {
  const { node, attributes } = question;
  const { verb, subresource, fieldSelector = '' } = attributes;
  if (subresource === 'status') return ['update', 'patch'].includes(verb) ? ALLOWED : no('');
  if (subresource === 'eviction') return verb === 'create' ? ALLOWED : no('');
  if (subresource) return no('');
  if (verb === 'create' || verb === 'delete') return ALLOWED;
  if (verb === 'get') return related(question);
  if (verb !== 'list' && verb !== 'watch') return no('');
  if (fieldSelector.split(',').includes(`spec.nodeName=${node}`)) return ALLOWED;
  return attributes.name ? related(question) : no('can only list/watch pods with spec.nodeName field selector');
}

const LEASES = 'kube-node-lease';

function decideLease({ node, attributes: { verb, subresource, namespace, name } }: Question): Decision {
  if (subresource || !['get', 'create', 'update', 'patch', 'delete'].includes(verb)) {
    return no('can only get, create, update, patch, or delete a node lease');
  }
  if (namespace !== LEASES) return no(`can only access leases in the "${LEASES}" system namespace`);
  if (verb === 'create' || name === node) return ALLOWED;
  return no('can only access node lease with the same name as the requesting node');
}
