import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { Admin } from '../support/admin.ts';
import { startExample } from '../support/preset.ts';

const CLIENTS = 30;
const KEY = 'x-session-id';
const text = {
  requestSerialize: Buffer.from,
  requestDeserialize: String,
  responseSerialize: Buffer.from,
  responseDeserialize: String,
};
const SERVICE = {
  logIn: { path: '/test.Counter/LogIn', requestStream: false, responseStream: false, ...text },
  count: { path: '/test.Counter/Count', requestStream: true, responseStream: true, ...text },
};
const Client = grpc.makeGenericClientConstructor(SERVICE, 'Counter');

/** Counts in memory, by session, and refuses those that it does not know. */
class CounterServer {
  readonly id: string;
  url = '';
  readonly counts = new Map<string, number>();
  readonly #server = new grpc.Server();

  constructor(id: string) {
    this.id = id;
    this.#server.addService(SERVICE, {
      logIn: ({ metadata }: grpc.ServerUnaryCall<string, string>, answer: grpc.sendUnaryData<string>) => {
        this.counts.set(String(metadata.get(KEY)[0]), 0);
        answer(null, id);
      },
      count: (call: grpc.ServerDuplexStream<string, string>) => {
        const session = String(call.metadata.get(KEY)[0]);
        if (!this.counts.has(session)) {
          call.emit('error', { code: grpc.status.UNAUTHENTICATED, details: `${session} is not known to ${id}` });
          return;
        }
        call.on('data', () => {
          const count = this.counts.get(session)! + 1;
          this.counts.set(session, count);
          call.write(`${id} ${count}`);
        });
        call.on('end', () => call.end());
      },
    });
  }

  async start(): Promise<this> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
    this.url = `http://127.0.0.1:${await promise}`;
    return this;
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

test(`gRPC: the calls of each of ${CLIENTS} sessions, over one connection, reach the server that knows it`, async (t) => {
  const servers = await Promise.all(['a', 'b', 'c'].map((id) => new CounterServer(id).start()));
  t.after(() => {
    for (const server of servers) server.stop();
  });
  const limpet = await startExample('grpc', servers);
  t.after(limpet.stop);
  // All of them share its connection: affinity is decided by call (behaviour 1).
  const client = new Client(`127.0.0.1:${limpet.port}`, grpc.credentials.createInsecure());
  t.after(() => client.close());

  const session = async (name: string): Promise<void> => {
    const metadata = new grpc.Metadata();
    metadata.set(KEY, name);
    const home = await new Promise<string>((resolve, reject) => {
      client.logIn!('me', metadata, { deadline: Date.now() + 20_000 }, (error: Error | null, answer: string) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
    // Two calls, and in each the messages go to and fro.
    for (let count = 1; count <= 6; ) {
      const call = client.count!(metadata, { deadline: Date.now() + 20_000 }) as grpc.ClientDuplexStream<
        string,
        string
      >;
      const last = count + 2;
      call.write('next');
      for await (const answer of call) {
        assert.equal(answer, `${home} ${count}`);
        if (count++ === last) call.end();
        else call.write('next');
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, i) => session(`session ${i}`)));
  for (const { id, counts } of servers) assert.ok(counts.size > CLIENTS / 10, `${id} has ${counts.size} of ${CLIENTS}`);
  const admin = new Admin(limpet.admin);
  assert.equal((await admin.sessions('api')).length, CLIENTS);
  assert.equal(await admin.metric('limpet_errors_total'), 0);
  assert.equal(limpet.stderr(), '');
});
