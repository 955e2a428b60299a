import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

describe('a unix socket whose backlog is full', () => {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-backlog-'));
  const path = join(directory, 'a.sock');
  const b = new HttpBackend('b');
  const agent = new Agent({ keepAlive: true });
  let server: ChildProcess;
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    await b.start();
    const entry = fileURLToPath(new URL('./full-backlog-server.ts', import.meta.url));
    server = spawn(process.execPath, [entry, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(server.stdout!, 'data');
    limpet = await startLimpetProcess(
      [
        'workers: 1',
        'pools:',
        '  p:',
        `    backends: [{ id: a, url: "unix:${path}", replicas: [b] }, { id: b, url: "${b.url}", state: maintenance }]`,
        '    affinity: [{ by: header, name: x-key }]',
        '    timeouts: { connect: 3s, response: 6s }',
        '    health: { passive: { failures: 2 } }',
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    agent.destroy();
    server.kill('SIGKILL');
    await limpet?.stop();
    await b.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const get = (key: number): Promise<Answered> => ask(limpet.url, { agent, headers: { 'x-key': String(key) } });
  const all = (count: number): Promise<Answered[]> => Promise.all(Array.from({ length: count }, (_, key) => get(key)));

  test('H2: a burst waits for it as it does over TCP: nobody is moved, and nobody blamed', async () => {
    for (let key = 0; key < 40; key++) assert.equal((await get(key)).backend, 'a');
    await admin.patch('p', 'b', { state: 'ready' });
    server.kill('SIGSTOP');
    const answers = all(40);
    await eventually('all to be on their way', async () => (await admin.backend('p', 'a')).activeRequests === 40);
    server.kill('SIGCONT');
    const served = (await answers).map(({ status, backend }) => `${status} ${backend}`);
    assert.deepEqual([...new Set(served)], ['200 a']);
    const { failures, health } = await admin.backend('p', 'a');
    assert.deepEqual([failures, health], [0, 'unknown']);
    server.kill('SIGSTOP');
    const late = await all(40);
    const told = [...new Set(late.map(({ backend, code }) => backend || code))].sort();
    assert.deepEqual(told, ['b'], 'one that takes nothing is late all the same');
  });
});
