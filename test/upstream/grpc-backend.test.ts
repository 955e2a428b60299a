import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import * as grpc from '@grpc/grpc-js';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const raw = {
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
};

function identity(bytes: Buffer): Buffer {
  return bytes;
}

/** A service of bytes, with each of the four kinds of call. */
const SERVICE = {
  unary: { path: '/limpet.Echo/Unary', requestStream: false, responseStream: false, ...raw },
  collect: { path: '/limpet.Echo/Collect', requestStream: true, responseStream: false, ...raw },
  expand: { path: '/limpet.Echo/Expand', requestStream: false, responseStream: true, ...raw },
  talk: { path: '/limpet.Echo/Talk', requestStream: true, responseStream: true, ...raw },
};

const Client = grpc.makeGenericClientConstructor(SERVICE, 'Echo');

/** What a call came to. */
interface Outcome {
  readonly messages: string[];
  readonly code: number;
  readonly details: string;
  readonly trailer: string | undefined;
}

suite('gRPC through limpet, HTTP/2 on both sides', () => {
  let server: grpc.Server;
  let limpet: LimpetProcess;
  let client: InstanceType<typeof Client>;
  let cancelled = 0;

  before(async () => {
    server = new grpc.Server();
    const trailer = () => {
      const metadata = new grpc.Metadata();
      metadata.set('x-trailer', 'kept');
      return metadata;
    };
    server.addService(SERVICE, {
      unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) => {
        if (call.request.toString() === 'missing') {
          answer({ code: grpc.status.NOT_FOUND, details: 'nothing & nobody', metadata: trailer() });
        } else answer(null, Buffer.from(`you said ${call.request.length}`), trailer());
      },
      collect: (call: grpc.ServerReadableStream<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) => {
        let bytes = 0;
        call.on('data', (message: Buffer) => {
          bytes += message.length;
        });
        call.on('end', () => answer(null, Buffer.from(String(bytes)), trailer()));
      },
      expand: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
        for (let i = 0; i < Number(call.request.toString()); i++) call.write(Buffer.from(`message ${i}`));
        call.end(trailer());
      },
      talk: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        call.on('cancelled', () => cancelled++);
        call.on('data', (message: Buffer) => {
          if (message.toString() === 'fail') {
            call.emit('error', { code: grpc.status.ABORTED, details: 'enough', metadata: trailer() });
          } else call.write(Buffer.from(`<${message.toString()}>`));
        });
        call.on('end', () => call.end(trailer()));
      },
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    limpet = await startLimpetProcess(
      `workers: 1\nlisteners: [{ bind: "127.0.0.1:0", h2c: true }]\npools: { p: { backends: [{ id: a, url: "http://127.0.0.1:${port}" }], affinity: [], http2: true } }\n`,
    );
    client = new Client(`127.0.0.1:${limpet.port}`, grpc.credentials.createInsecure());
  });
  after(async () => {
    client?.close();
    await limpet?.stop();
    server?.forceShutdown();
  });

  const deadline = () => ({ deadline: Date.now() + 20_000 });

  /** Waits for the end of a call and gathers all that comes of it. */
  function outcome(call: Pick<NodeJS.EventEmitter, 'on'>): Promise<Outcome> {
    const messages: string[] = [];
    call.on('data', (message: Buffer) => messages.push(message.toString()));
    call.on('error', () => {});
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    call.on('status', ({ code, details, metadata }: grpc.StatusObject) =>
      resolve({ messages, code, details, trailer: metadata.get('x-trailer')[0]?.toString() }),
    );
    return promise;
  }

  test('a unary call, its status and its trailers', async () => {
    let answer: Buffer | undefined;
    const good = await outcome(
      client.unary!(Buffer.alloc(100_000), new grpc.Metadata(), deadline(), (_error: unknown, value: Buffer) => {
        answer = value;
      }),
    );
    assert.deepEqual([good.code, good.trailer, answer?.toString()], [grpc.status.OK, 'kept', 'you said 100000']);
    const bad = await outcome(client.unary!(Buffer.from('missing'), new grpc.Metadata(), deadline(), () => {}));
    assert.deepEqual([bad.code, bad.details, bad.trailer], [grpc.status.NOT_FOUND, 'nothing & nobody', 'kept']);
  });

  test('a stream of the client', async () => {
    let answer: Buffer | undefined;
    const call = client.collect!(new grpc.Metadata(), deadline(), (_error: unknown, value: Buffer) => {
      answer = value;
    });
    const ended = outcome(call);
    for (let i = 0; i < 50; i++) call.write(Buffer.alloc(20_000));
    call.end();
    const { code, trailer } = await ended;
    assert.deepEqual([code, trailer, answer?.toString()], [grpc.status.OK, 'kept', '1000000']);
  });

  test('a stream of the server', async () => {
    const { messages, code, trailer } = await outcome(
      client.expand!(Buffer.from('1000'), new grpc.Metadata(), deadline()),
    );
    assert.deepEqual([messages.length, messages.at(-1), code, trailer], [1000, 'message 999', grpc.status.OK, 'kept']);
  });

  test('streams both ways at the same time, and one that the server ends while the client speaks', async () => {
    const call = client.talk!(new grpc.Metadata(), deadline());
    const ended = outcome(call);
    for (const word of ['one', 'two', 'three']) {
      const answered = new Promise((resolve) => call.once('data', resolve));
      call.write(Buffer.from(word));
      await answered;
    }
    call.end();
    const { messages, code, trailer } = await ended;
    assert.deepEqual([messages, code, trailer], [['<one>', '<two>', '<three>'], grpc.status.OK, 'kept']);
    const other = client.talk!(new grpc.Metadata(), deadline());
    const broken = outcome(other);
    other.write(Buffer.from('fail'));
    const { code: why, details } = await broken;
    assert.deepEqual([why, details], [grpc.status.ABORTED, 'enough']);
  });

  test('a call that the client cancels is cancelled at the server', async () => {
    const call = client.talk!(new grpc.Metadata(), deadline());
    const ended = outcome(call);
    const answered = new Promise((resolve) => call.once('data', resolve));
    call.write(Buffer.from('wait'));
    await answered;
    const before = cancelled;
    call.cancel();
    assert.equal((await ended).code, grpc.status.CANCELLED);
    await eventually('the server to be told', () => cancelled > before);
  });
});
