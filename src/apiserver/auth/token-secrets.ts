import type { KubeObject, Secret, ServiceAccount } from '../../api/types.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import type { TokenIssuer } from './token.ts';

export const TOKEN_SECRET_TYPE = 'kubernetes.io/service-account-token';
const ACCOUNT = 'kubernetes.io/service-account.name';
const UID = 'kubernetes.io/service-account.uid';

export interface TokenSecretOptions {
  issuer: Pick<TokenIssuer, 'issueLegacy'>;
  caPem: string;
  findAccount: (key: { namespace: string; name: string }) => ServiceAccount | undefined;
}

/** Fills Secrets that ask for an account's token without an end, as manifests older than TokenRequest do. */
export function createTokenSecrets(options: TokenSecretOptions): AdmissionPlugin {
  return {
    mutate(attributes) {
      const account = isTokenSecret(attributes) ? accountOf(options, attributes) : undefined;
      return account && fill(options, attributes.object as Secret, account);
    },
  };
}

function isTokenSecret({ resource, operation, object }: AdmissionAttributes): boolean {
  if (resource.plural !== 'secrets' || resource.group !== '' || operation === 'DELETE') return false;
  const { type, data } = object as Secret;
  return type === TOKEN_SECRET_TYPE && !data?.['token'];
}

function accountOf({ findAccount }: TokenSecretOptions, { object, namespace }: AdmissionAttributes) {
  const name = object?.metadata.annotations?.[ACCOUNT];
  return name ? findAccount({ namespace, name }) : undefined;
}

async function fill(
  { issuer, caPem }: TokenSecretOptions,
  secret: Secret,
  account: ServiceAccount,
): Promise<KubeObject | undefined> {
  const { name, namespace = '', uid = '' } = account.metadata;
  const asked = secret.metadata.annotations?.[UID];
  if (asked && asked !== uid) return undefined;
  const bound = { name: secret.metadata.name, uid: '' };
  const token = await issuer.issueLegacy({ namespace, serviceaccount: { name, uid }, secret: bound });
  return {
    ...secret,
    metadata: { ...secret.metadata, annotations: { ...secret.metadata.annotations, [UID]: uid } },
    data: {
      ...secret.data,
      'ca.crt': Buffer.from(caPem).toString('base64'),
      namespace: Buffer.from(namespace).toString('base64'),
      token: Buffer.from(token).toString('base64'),
    },
  } as KubeObject;
}
