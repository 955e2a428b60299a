import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startLimpetProcess } from '../support/limpet.ts';
import { runLimpet } from './run-limpet.ts';

const POOLS = 'pools: { shop: { backends: [{ id: a, url: "http://127.0.0.1:9" }] } }\n';

test('SIGHUP reads the file again and says what changed, SIGTERM ends limpet with status 0', async (context) => {
  const limpet = await startLimpetProcess(POOLS, { args: ['--workers', '1', '--log-level', 'info'] });
  context.after(limpet.stop);
  const reloaded = async (msg: string) => {
    limpet.process.kill('SIGHUP');
    return limpet.logged((line) => line.msg === msg, 30_000);
  };
  await reloaded('reload: nothing changed');
  const file = limpet.process.spawnargs.find((argument) => argument.endsWith('limpet.yaml'))!;
  const before = readFileSync(file, 'utf8');
  // The options of the command line go before the file, also when it says something else now.
  writeFileSync(file, `${before}workers: 3\nlog: { level: error }\nshutdown: { grace: 7s }\n`);
  const { changes } = await reloaded('reload: configuration changed');
  assert.deepEqual(changes, [{ path: 'shutdown.grace', change: 'changed' }]);
  writeFileSync(file, `${before}poools: {}\n`);
  const { errors } = await reloaded('reload refused: nothing has changed');
  assert.match(String(errors), /limpet\.yaml:\d+:1: poools: unknown key/);
  const status = (await (await fetch(`${limpet.admin}/api/v1/status`)).json()) as Record<string, unknown>;
  assert.deepEqual([status.configGeneration, (status.lastReload as { ok: boolean }).ok], [3, false]);
  limpet.process.kill('SIGTERM');
  assert.equal((await limpet.logged(({ msg }) => msg === 'limpet stops')).graceMs, 7000, 'of the file as it is now');
  assert.deepEqual(await once(limpet.process, 'exit'), [0, null]);
});

test('--take-over without a snapshot is refused, and says what is missing', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-start-'));
  context.after(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'limpet.yaml'), `listeners: [{ bind: "127.0.0.1:0" }]\n${POOLS}`);
  const { status, stderr } = await runLimpet(['start', '--take-over'], { cwd: directory });
  assert.equal(status, 2);
  assert.match(stderr, /^limpet: --take-over needs sessions.snapshot/);
});

test('--workers and --log-level go before the file', async (context) => {
  const limpet = await startLimpetProcess(`${POOLS}workers: 4\nlog: { level: error }\n`, {
    args: ['--workers', '1', '--log-level', 'info'],
  });
  context.after(limpet.stop);
  const status = (await (await fetch(`${limpet.admin}/api/v1/status`)).json()) as { workers: number };
  assert.equal(status.workers, 1);
});

test('a second signal ends limpet at once, with status 1', async (context) => {
  const held = createServer().listen(0, '127.0.0.1') as Server;
  await once(held, 'listening');
  const backend = `http://127.0.0.1:${(held.address() as AddressInfo).port}`;
  context.after(() => held.close());
  const limpet = await startLimpetProcess(`${POOLS.replace('http://127.0.0.1:9', backend)}shutdown: { grace: 1h }\n`, {
    args: ['--workers', '1'],
  });
  context.after(limpet.stop);
  // A request that the backend never answers holds the graceful stop.
  const accepted = once(held, 'connection');
  const request = fetch(limpet.url).catch(() => {});
  const [connection] = await accepted;
  limpet.process.kill('SIGTERM');
  await limpet.logged(({ msg }) => msg === 'limpet stops');
  limpet.process.kill('SIGTERM');
  assert.deepEqual(await once(limpet.process, 'exit'), [1, null]);
  connection.destroy();
  await request;
});

test('a port in use is one line and status 1', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-start-'));
  context.after(() => rmSync(directory, { recursive: true }));
  const taken = createServer().listen(0, '127.0.0.1') as Server;
  await once(taken, 'listening');
  context.after(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  writeFileSync(
    join(directory, 'limpet.yaml'),
    `listeners: [{ bind: "127.0.0.1:${port}" }]\nadmin: { bind: null }\nlog: { level: silent }\n${POOLS}`,
  );
  const { status, stdout, stderr } = await runLimpet(['start', '--workers', '1'], { cwd: directory });
  assert.deepEqual({ status, stdout }, { status: 1, stdout: '' });
  assert.match(stderr, new RegExp(`^limpet: [^\n]*${port}[^\n]*\n$`));
});
