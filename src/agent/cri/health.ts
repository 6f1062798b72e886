import { Client, credentials } from '@grpc/grpc-js';
import protobuf from 'protobufjs';

const requestType = new protobuf.Type('HealthCheckRequest').add(new protobuf.Field('service', 1, 'string'));
const responseType = new protobuf.Type('HealthCheckResponse').add(new protobuf.Field('status', 1, 'int32'));
const SERVING = 1;

export interface ProbeTarget {
  /** `host:port`. */
  readonly address: string;
  readonly service: string;
  /** Ms since the epoch. */
  readonly deadlineMs: number;
}

/** gRPC's health protocol (`grpc.health.v1`): undefined when the service is being served, else what was wrong. */
export function grpcProbe(target: ProbeTarget): Promise<string | undefined> {
  const client = new Client(target.address, credentials.createInsecure());
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      (message: object) => Buffer.from(requestType.encode(requestType.fromObject(message)).finish()),
      (bytes) => responseType.decode(bytes) as unknown as { status: number },
      { service: target.service },
      { deadline: target.deadlineMs },
      (error, answer) => {
        client.close();
        if (error) resolve(`service unhealthy: ${error.details || error.message}`);
        else resolve(answer!.status === SERVING ? undefined : `service unhealthy (responded with "${answer!.status}")`);
      },
    );
  });
}
