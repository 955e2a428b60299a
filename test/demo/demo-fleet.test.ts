import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { type Fleet, type FleetEvent, startFleet } from '../../src/demo/demo-fleet.ts';
import { Visitor } from './visitor.ts';

interface Watched {
  readonly fleet: Fleet;
  /** The next event, in order. */
  next(): Promise<FleetEvent>;
}

async function start(context: TestContext, ids: string[], restartMs: number, firstPort = 0): Promise<Watched> {
  const events: FleetEvent[] = [];
  const waiting: ((event: FleetEvent) => void)[] = [];
  const onEvent = (event: FleetEvent): void => {
    const next = waiting.shift();
    if (next === undefined) events.push(event);
    else next(event);
  };
  const fleet = await startFleet({ ids, firstPort, avoid: new Set(), restartMs, onEvent });
  context.after(() => fleet.stop());
  const next = (): Promise<FleetEvent> => {
    const event = events.shift();
    return event !== undefined ? Promise.resolve(event) : new Promise((resolve) => waiting.push(resolve));
  };
  return { fleet, next };
}

function urlOf(fleet: Fleet, id: string): string {
  return `http://127.0.0.1:${fleet.servers.find((server) => server.id === id)?.port}`;
}

function kill(fleet: Fleet, id: string): void {
  process.kill(fleet.servers.find((server) => server.id === id)?.pid ?? 0, 'SIGKILL');
}

/** Resolves when nobody listens on the port any more. */
async function closed(context: TestContext, port: number): Promise<void> {
  while (!context.signal.aborted) {
    const socket = connect(port, '127.0.0.1');
    const isRefused = await new Promise((resolve) => {
      socket.on('connect', () => resolve(false)).on('error', () => resolve(true));
    });
    socket.destroy();
    if (isRefused) return;
    await setTimeout(20);
  }
}

test('nothing is lost when a server is killed right after its answer: the replica has the cart, then the replica of that one (33)', async (context) => {
  const { fleet, next } = await start(context, ['a', 'b', 'c'], 60_000);
  assert.deepEqual(
    fleet.servers.map((server) => server.replica),
    ['b', 'c', 'a'],
  );
  const visitor = new Visitor();
  await visitor.ask('POST', `${urlOf(fleet, 'a')}/api/cart`, { item: 'mug', quantity: 2 });
  kill(fleet, 'a');
  const died = await next();
  assert.ok(died.type === 'died' && died.server.id === 'a' && died.how === 'SIGKILL');
  const atB = await visitor.ask('GET', `${urlOf(fleet, 'b')}/api/state`);
  assert.deepEqual([atB.body.server, atB.body.cart.count, atB.body.cart.madeAt], ['b', 2, 'a']);
  // The replica has taken over, and its own replica has the cart before the visitor is answered.
  kill(fleet, 'b');
  await next();
  const atC = await visitor.ask('GET', `${urlOf(fleet, 'c')}/api/state`);
  assert.deepEqual([atC.body.server, atC.body.cart.count, atC.body.cart.madeAt], ['c', 2, 'a']);
});

test('a killed server comes back with an empty memory and becomes a replica again', async (context) => {
  const { fleet, next } = await start(context, ['a', 'b'], 50);
  const visitor = new Visitor();
  await visitor.ask('POST', `${urlOf(fleet, 'a')}/api/cart`, { item: 'mug', quantity: 2 });
  const before = fleet.servers[0]?.pid;
  kill(fleet, 'a');
  await next();
  assert.equal((await visitor.ask('GET', `${urlOf(fleet, 'b')}/api/state`)).body.cart.count, 2);
  const back = await next();
  assert.ok(back.type === 'back' && back.server.id === 'a');
  assert.notEqual(fleet.servers[0]?.pid, before);
  let state = await visitor.ask('GET', `${urlOf(fleet, 'b')}/api/state`);
  while (state.body.copy?.upToDate !== true && !context.signal.aborted) {
    await setTimeout(20);
    state = await visitor.ask('GET', `${urlOf(fleet, 'b')}/api/state`);
  }
  kill(fleet, 'b');
  await next();
  const home = await visitor.ask('GET', `${urlOf(fleet, 'a')}/api/state`);
  assert.deepEqual([home.body.server, home.body.cart.count], ['a', 2]);
});

test('a taken port is passed over', async (context) => {
  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  context.after(() => squatter.close());
  const { port } = squatter.address() as AddressInfo;
  const { fleet } = await start(context, ['a'], 60_000, port);
  assert.notEqual(fleet.servers[0]?.port, port);
  assert.equal(fleet.servers[0]?.replica, null);
  assert.equal((await new Visitor().ask('GET', `${urlOf(fleet, 'a')}/healthz`)).status, 200);
});

test('stopping ends a server that hangs, too', async (context) => {
  const fleet = await startFleet({ ids: ['a'], firstPort: 0, avoid: new Set(), restartMs: 60_000, onEvent: () => {} });
  const [server] = fleet.servers;
  assert.ok(server);
  process.kill(server.pid, 'SIGSTOP');
  await fleet.stop();
  await closed(context, server.port);
});

test('when the parent is killed, its servers end by themselves', async (context) => {
  const fleetFile = new URL('../../src/demo/demo-fleet.ts', import.meta.url).href;
  const code = `
    const { startFleet } = await import(${JSON.stringify(fleetFile)});
    const fleet = await startFleet({ ids: ['a', 'b'], firstPort: 0, avoid: new Set(), restartMs: 1000, onEvent() {} });
    console.log(JSON.stringify(fleet.servers));`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
  const servers = JSON.parse(line) as { port: number }[];
  assert.equal(servers.length, 2);
  parent.kill('SIGKILL');
  await Promise.all(servers.map((server) => closed(context, server.port)));
});
