import protobuf from 'protobufjs';

/** Media type of OpenAPI version 2 as kubectl asks for it: gnostic's `openapi.v2.Document`. */
export const OPENAPI_V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';

/** The same as it is answered: `@` is not allowed in a media type. */
export const OPENAPI_V2_PROTOBUF_ANSWER = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

interface Operation {
  readonly parameters: readonly { name: string; type?: string }[];
  readonly 'x-kubernetes-group-version-kind': object;
}

interface DocumentV2 {
  readonly swagger: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** Numbers of the fields that are written, from gnostic's OpenAPIv2.proto. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, readonly [number, string]>>>> = {
  Document: { swagger: [1, 'string'], info: [2, 'Info'], paths: [8, 'Paths'] },
  Info: { title: [1, 'string'], version: [2, 'string'] },
  Paths: { path: [2, 'repeated NamedPathItem'] },
  NamedPathItem: { name: [1, 'string'], value: [2, 'PathItem'] },
  PathItem: { patch: [8, 'Operation'] },
  Operation: {
    parameters: [8, 'repeated ParametersItem'],
    vendorExtension: [13, 'repeated NamedAny'],
  },
  ParametersItem: { parameter: [1, 'Parameter'] },
  Parameter: { nonBodyParameter: [2, 'NonBodyParameter'] },
  NonBodyParameter: { queryParameterSubSchema: [3, 'QueryParameterSubSchema'] },
  QueryParameterSubSchema: { in: [2, 'string'], name: [4, 'string'], type: [6, 'string'] },
  NamedAny: { name: [1, 'string'], value: [2, 'Any'] },
  Any: { yaml: [2, 'string'] },
};

/** What kubectl looks for in this form: which kinds take which query parameters in a patch. */
export function encodeOpenApiV2(document: DocumentV2): Uint8Array {
  const root = new protobuf.Root();
  for (const [name, fields] of Object.entries(FIELDS)) root.add(toType(name, fields));
  const type = root.lookupType('Document');
  const path = Object.entries(document.paths)
    .filter(([, item]) => item['patch'])
    .map(([name, item]) => ({ name, value: { patch: toOperation(item['patch']!) } }));
  return type.encode(type.fromObject({ swagger: document.swagger, info: document.info, paths: { path } })).finish();
}

function toType(name: string, fields: Readonly<Record<string, readonly [number, string]>>): protobuf.Type {
  const type = new protobuf.Type(name);
  for (const [field, [id, kind]] of Object.entries(fields)) {
    const repeated = kind.startsWith('repeated ');
    type.add(
      new protobuf.Field(
        field,
        id,
        repeated ? kind.slice('repeated '.length) : kind,
        repeated ? 'repeated' : undefined,
      ),
    );
  }
  return type;
}

function toOperation(operation: Operation): object {
  const extension = 'x-kubernetes-group-version-kind';
  const parameters = operation.parameters.map(({ name, type = 'string' }) => ({
    parameter: { nonBodyParameter: { queryParameterSubSchema: { in: 'query', name, type } } },
  }));
  return { parameters, vendorExtension: [{ name: extension, value: { yaml: JSON.stringify(operation[extension]) } }] };
}
