import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ByteSocket, SocketEvents } from '../../src/sockets/byte-socket.ts';
import { DirectSocket } from '../../src/sockets/direct-socket.ts';
import { NodeSocket } from '../../src/sockets/node-socket.ts';
import { type StreamHandle, takeConnections } from '../../src/sockets/node-stream-handle.ts';
import { openSocket } from '../../src/sockets/open-socket.ts';
import { startSockets } from '../../src/sockets/start-sockets.ts';
import { byteSocketContract } from '../contracts/byte-socket.ts';
import { DeadPort } from '../support/dead-port.ts';
import { eventually } from '../support/eventually.ts';

const directory = mkdtempSync(join(tmpdir(), 'limpet-sockets-'));
const servers: Server[] = [];
/** Who wants the next connection of a server before a net.Socket is made of it. */
const taken = new Map<Server, (client: StreamHandle) => void>();
/** As listeners accept connections. */
const OPTIONS = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };

before(async () => {
  await startSockets('auto');
  const [tcp, unix] = [createServer(OPTIONS), createServer(OPTIONS)];
  servers.push(tcp, unix);
  tcp.listen(0, '127.0.0.1');
  unix.listen(join(directory, 'socket'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  for (const server of servers) {
    takeConnections(server, (client) => {
      const take = taken.get(server);
      taken.delete(server);
      take?.(client);
      return take !== undefined;
    });
  }
});

after(async () => {
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true });
});

type Address = { readonly host: string; readonly port: number } | { readonly path: string };

function serverOf(tcp: boolean): { server: Server; address: Address } {
  const server = servers[tcp ? 0 : 1]!;
  const at = server.address() as AddressInfo | string;
  return { server, address: typeof at === 'string' ? { path: at } : { host: '127.0.0.1', port: at.port } };
}

/** Both ends of a connection as Node has them. */
async function nodePair(tcp: boolean): Promise<{ accepted: Socket; peer: Socket }> {
  const { server, address } = serverOf(tcp);
  const peer = connect({ ...address, allowHalfOpen: true, noDelay: true });
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(peer, 'connect')])) as [[Socket], unknown];
  return { accepted, peer };
}

function directOver(socket: Socket, events: SocketEvents): DirectSocket {
  const direct = DirectSocket.over(socket, events);
  assert.ok(direct !== null, 'this Node has no handles that can be used directly');
  return direct;
}

/** Opens a connection as to a backend. */
async function opened(tcp: boolean, events: SocketEvents): Promise<{ socket: ByteSocket; peer: Socket }> {
  const { server, address } = serverOf(tcp);
  const { promise, resolve } = Promise.withResolvers<ByteSocket>();
  openSocket(address, '', {
    onBytes: (size, bytes) => events.onBytes(size, bytes),
    onEnd: () => events.onEnd(),
    onDrain: () => events.onDrain(),
    onClose: (error) => events.onClose(error),
    onOpen: resolve,
  });
  const [[peer], socket] = (await Promise.all([once(server, 'connection'), promise])) as [[Socket], ByteSocket];
  return { socket, peer };
}

/** Nobody listens. */
const NO_EVENTS: SocketEvents = { onBytes: () => true, onEnd: () => {}, onDrain: () => {}, onClose: () => {} };

for (const [kind, tcp] of [
  ['TCP', true],
  ['a unix socket', false],
] as const) {
  byteSocketContract(`DirectSocket over an accepted connection, ${kind}`, {
    tcp,
    async open(events) {
      const { accepted, peer } = await nodePair(tcp);
      const socket = directOver(accepted, events);
      socket.resume();
      return { socket, peer };
    },
  });

  byteSocketContract(`DirectSocket over a connection that its server has made no net.Socket of, ${kind}`, {
    tcp,
    async open(events) {
      const { server, address } = serverOf(tcp);
      const { promise, resolve } = Promise.withResolvers<StreamHandle>();
      taken.set(server, resolve);
      const peer = connect({ ...address, allowHalfOpen: true, noDelay: true });
      const [handle] = await Promise.all([promise, once(peer, 'connect')]);
      const socket = new DirectSocket(handle, events);
      socket.resume();
      return { socket, peer };
    },
  });

  byteSocketContract(`DirectSocket over a connection that was opened, ${kind}`, {
    tcp,
    async open(events) {
      const { socket, peer } = await opened(tcp, events);
      assert.ok(socket instanceof DirectSocket);
      return { socket, peer };
    },
  });

  byteSocketContract(`NodeSocket over a net.Socket, ${kind}`, {
    tcp,
    async open(events) {
      const { accepted, peer } = await nodePair(tcp);
      const socket = new NodeSocket(accepted, events);
      socket.watch();
      socket.resume();
      return { socket, peer };
    },
  });
}

describe('DirectSocket', () => {
  test('look tells at once what has come, and that the other side has ended, and nothing twice', async () => {
    const { accepted, peer } = await nodePair(true);
    const told: string[] = [];
    const closed = Promise.withResolvers<void>();
    const direct = directOver(accepted, {
      ...NO_EVENTS,
      onBytes(size, bytes) {
        told.push(bytes.latin1Slice(0, size));
        return true;
      },
      onEnd: () => told.push('end'),
      onClose: () => closed.resolve(),
    });
    direct.resume();
    assert.equal(direct.look(), true);
    assert.deepEqual(told, []);
    const sent = Promise.withResolvers<void>();
    peer.end('bytes', () => sent.resolve());
    await sent.promise;
    assert.equal(direct.look(), true);
    assert.deepEqual(told, ['bytes', 'end']);
    direct.end();
    await closed.promise;
    assert.deepEqual(told, ['bytes', 'end']);
  });

  test('is what connections are made of on this Node, and leaves nothing of the net.Socket', async () => {
    assert.equal((await startSockets('auto')).handles, true);
    for (const tcp of [true, false]) {
      const { server } = serverOf(tcp);
      const { accepted, peer } = await nodePair(tcp);
      const direct = directOver(accepted, NO_EVENTS);
      assert.equal(accepted.destroyed, true);
      // Its server counts it no more: otherwise it would not close before this connection does.
      await eventually(
        'no connection',
        () => new Promise((resolve) => server.getConnections((_, n) => resolve(n === 0))),
      );
      peer.resume();
      direct.write('still open');
      const [bytes] = (await once(peer, 'data')) as [Buffer];
      assert.equal(bytes.toString(), 'still open');
      direct.destroy();
      await once(peer, 'end');
      peer.destroy();
    }
  });

  test('takes the connections that are meant for it, and leaves the others to the server', async () => {
    const { server, address } = serverOf(true);
    const accepted: Socket[] = [];
    const onConnection = (socket: Socket): void => void accepted.push(socket);
    server.on('connection', onConnection);
    const { promise, resolve } = Promise.withResolvers<StreamHandle>();
    taken.set(server, resolve);
    const first = connect({ ...address });
    const direct = new DirectSocket(await promise, NO_EVENTS);
    assert.deepEqual([direct.remotePort, accepted], [first.localPort, []]);
    const second = connect({ ...address });
    await once(second, 'connect');
    await eventually('the second connection', () => accepted.length > 0);
    server.off('connection', onConnection);
    assert.deepEqual(
      accepted.map(({ remotePort }) => remotePort),
      [second.localPort],
    );
    direct.destroy();
    for (const socket of [first, second, ...accepted]) socket.destroy();
  });

  test('is not made of a socket that has no connection, which stays as it is', () => {
    const socket = new Socket();
    assert.equal(DirectSocket.over(socket, NO_EVENTS), null);
    assert.equal(socket.destroyed, false);
    socket.destroy();
  });

  test('does not keep the net.Socket that it was made of', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const make = async (): Promise<{ direct: DirectSocket; peer: Socket; original: WeakRef<Socket> }> => {
      const { accepted, peer } = await nodePair(true);
      return { direct: directOver(accepted, NO_EVENTS), peer, original: new WeakRef(accepted) };
    };
    const { direct, peer, original } = await make();
    await eventually('its end', () => {
      collect();
      return original.deref() === undefined;
    });
    assert.equal(direct.remotePort, peer.localPort);
    direct.destroy();
    peer.destroy();
  });

  test('takes nothing after its FIN, and says nothing about it', async () => {
    const { accepted, peer } = await nodePair(true);
    const closes: (Error | null)[] = [];
    const direct = directOver(accepted, { ...NO_EVENTS, onClose: (error) => closes.push(error) });
    direct.resume();
    direct.write('before');
    direct.end();
    direct.write('after');
    direct.write(Buffer.from('after'));
    direct.writeCopy(Buffer.alloc(100_000), 0, 100_000);
    direct.cork();
    direct.write('after');
    direct.uncork();
    let text = '';
    peer.setEncoding('latin1').on('data', (more) => {
      text += more;
    });
    await once(peer, 'end');
    assert.equal(text, 'before');
    assert.deepEqual(closes, []);
    peer.end();
    await eventually('its close', () => closes.length > 0);
    assert.deepEqual(closes, [null]);
  });

  test('gets nothing of a connection that has been read until it reads itself', async () => {
    const { accepted, peer } = await nodePair(true);
    accepted.resume();
    await new Promise(setImmediate);
    let text = '';
    const direct = directOver(accepted, {
      ...NO_EVENTS,
      onBytes(size, bytes) {
        text += bytes.latin1Slice(0, size);
        return true;
      },
    });
    assert.equal(direct.isPaused(), true);
    await new Promise((resolve) => peer.write('bytes', resolve));
    for (let n = 0; n < 5; n++) await new Promise(setImmediate);
    assert.equal(text, '');
    direct.resume();
    await eventually('the bytes', () => text !== '');
    assert.equal(text, 'bytes');
    direct.destroy();
    peer.destroy();
  });

  test('does not tell that everything is out when the peer has reset the connection before', async () => {
    const { accepted, peer } = await nodePair(true);
    const heard: unknown[] = [];
    const direct = directOver(accepted, { ...NO_EVENTS, onClose: (error) => heard.push(error?.code) });
    while (direct.writableLength < 1_000_000) direct.write(Buffer.alloc(100_000));
    direct.end(() => heard.push('out'));
    peer.resetAndDestroy();
    await eventually('its close', () => heard.length > 0);
    await new Promise(setImmediate);
    assert.equal(heard.length, 1);
    assert.match(String(heard[0]), /^(?:ECONNRESET|EPIPE)$/);
  });

  test('tells of FIN when it reads, and not while it is paused', async () => {
    const { accepted, peer } = await nodePair(true);
    let ends = 0;
    const direct = directOver(accepted, { ...NO_EVENTS, onEnd: () => ends++ });
    direct.resume();
    direct.pause();
    await new Promise<void>((resolve) => peer.end(resolve));
    for (let n = 0; n < 5; n++) await new Promise(setImmediate);
    assert.equal(ends, 0);
    direct.resume();
    await eventually('the end', () => ends > 0);
    direct.end();
    peer.resume();
    await once(peer, 'close');
    assert.equal(ends, 1);
  });

  test('closes also when a reset is wanted while FIN waits behind what nobody reads', async (t) => {
    const { accepted, peer } = await nodePair(true);
    t.after(() => peer.destroy());
    peer.on('error', () => {});
    const closes: (Error | null)[] = [];
    const direct = directOver(accepted, { ...NO_EVENTS, onClose: (error) => closes.push(error) });
    while (direct.writableLength < 1_000_000) direct.write(Buffer.alloc(100_000));
    direct.end();
    direct.resetAndDestroy();
    await eventually('its close', () => closes.length > 0, 3_000);
    assert.deepEqual(closes, [null]);
  });
});

describe('openSocket', () => {
  test('sends the preamble before anything else', async () => {
    const { server, address } = serverOf(true);
    const from = openSocket(address, 'PROXY \xff\r\n', {
      ...NO_EVENTS,
      onOpen(socket) {
        socket.write('GET', 'latin1');
        socket.end();
      },
    });
    const [peer] = (await once(server, 'connection')) as [Socket];
    const text = (await peer.toArray()).map((bytes: Buffer) => bytes.latin1Slice()).join('');
    assert.equal(text, 'PROXY \xff\r\nGET');
    peer.end();
    assert.equal(from.destroyed, true);
  });

  test('tells of a connection that cannot be opened, once', async (t) => {
    const dead = await DeadPort.open();
    t.after(() => dead.close());
    for (const [address, code] of [
      [{ host: '127.0.0.1', port: dead.port }, 'ECONNREFUSED'],
      [{ path: join(directory, 'nobody') }, 'ENOENT'],
    ] as const) {
      const heard: unknown[] = [];
      const { promise, resolve } = Promise.withResolvers<void>();
      openSocket(address, '', {
        ...NO_EVENTS,
        onOpen: () => heard.push('open'),
        onClose: (error) => {
          heard.push(error?.code);
          resolve();
        },
      });
      await promise;
      await new Promise(setImmediate);
      assert.deepEqual(heard, [code]);
    }
  });

  test('is given up before it is open: no error, and never open', async () => {
    const { address } = serverOf(true);
    const heard: unknown[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = openSocket(address, 'x', {
      ...NO_EVENTS,
      onOpen: () => heard.push('open'),
      onClose: (error) => {
        heard.push(error);
        resolve();
      },
    });
    socket.destroy();
    assert.deepEqual(heard, []);
    await promise;
    await new Promise(setImmediate);
    assert.deepEqual(heard, [null]);
  });
});
