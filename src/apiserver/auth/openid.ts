import type { TokenIssuer } from './token.ts';

/** Answers of the OpenID discovery paths, by path (RFC 8414; Kubernetes "Service account issuer discovery"). */
export const OPENID_CONFIGURATION_PATH = '/.well-known/openid-configuration';
export const JWKS_PATH = '/openid/v1/jwks';

export interface OpenIdDocument {
  readonly contentType: string;
  readonly body: object;
}

/** The document at `path`, or undefined when it is not one of the two. */
export async function openIdDocument(issuer: TokenIssuer, path: string): Promise<OpenIdDocument | undefined> {
  if (path === JWKS_PATH) return { contentType: 'application/jwk-set+json', body: await issuer.jwks() };
  if (path !== OPENID_CONFIGURATION_PATH) return undefined;
  const { keys } = await issuer.jwks();
  const body = {
    issuer: issuer.issuer,
    jwks_uri: `${issuer.issuer}${JWKS_PATH}`,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(keys.map(({ alg }) => alg))],
  };
  return { contentType: 'application/json', body };
}
