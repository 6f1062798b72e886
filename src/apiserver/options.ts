import type { KubeObject } from '../api/types.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Store } from '../store/store.ts';
import type { Admission, AdmissionPlugin } from './admission.ts';
import type { Catalog } from './catalog.ts';
import type { BodyDecoder } from './decode.ts';
import type { Filter } from './filter.ts';
import type { ApiRequest, ApiResponse, UserInfo } from './request.ts';

/** What a request asks for, as authorization sees it. */
export type Attributes =
  | {
      readonly verb: string;
      readonly group: string;
      readonly resource: string;
      readonly subresource: string;
      readonly namespace: string;
      readonly name: string;
      /** Of a list or watch. */
      readonly fieldSelector?: string;
    }
  | { readonly verb: string; readonly path: string };

/** Throws Forbidden. */
export type Authorize = (user: UserInfo, attributes: Attributes) => void;

/** A subresource that is served by something else than the store: `pods/log`, `serviceaccounts/token`. */
export interface SubresourceHandler {
  readonly group: string;
  readonly plural: string;
  readonly subresource: string;
  readonly methods: readonly string[];
  /** The object's name in the one of the path, where more than that stands there (`https:web:8443`). */
  readonly objectName?: (name: string) => string;
  handle(request: ApiRequest, object: KubeObject): Promise<ApiResponse>;
}

/** Answers a path outside the resources (`/openapi/v2`), or undefined. */
export type PathHandler = (request: ApiRequest) => Promise<ApiResponse | undefined> | ApiResponse | undefined;

export interface ApiServerOptions {
  store: Store;
  catalog: Catalog;
  clock: Clock;
  random: () => number;
  log: Logger;
  admissions?: readonly Admission[];
  /** In order. */
  plugins?: readonly AdmissionPlugin[];
  authorize?: Authorize;
  subresources?: readonly SubresourceHandler[];
  paths?: readonly PathHandler[];
  /** The outermost first. */
  filters?: readonly Filter[];
  /** Media type → decoder, for bodies that are neither JSON nor YAML. */
  decoders?: Readonly<Record<string, BodyDecoder>>;
}
