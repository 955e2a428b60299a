import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { ask } from '../support/ask.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { keyOf, SessionBackend } from '../support/session-backend.ts';

suite('sessions that have ended, in a table that is far too small for all of them', () => {
  const backend = new SessionBackend('a');
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  let directory: string;
  let limpet: LimpetProcess;
  const start = () =>
    startLimpetProcess(`workers: 2
log: { access: false }
sessions: { max: 1000, snapshot: ${join(directory, 'rows')} }
pools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }
`);

  before(async () => {
    await backend.start();
    directory = await mkdtemp(join(tmpdir(), 'limpet-ended-'));
    limpet = await start();
  });
  after(async () => {
    agent.destroy();
    await limpet?.stop();
    await backend.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const get = (path: string, cookie = '') =>
    ask(limpet.url + path, { agent, headers: cookie === '' ? {} : { cookie } });

  test('L9: none comes back after 4,500 others have begun and ended, nor after a restart', async () => {
    const gone: string[] = [];
    const known: string[] = [];
    for (let n = 0; n < 30; n++) {
      const { cookie, ...rest } = await get('/');
      gone.push(cookie);
      known.push(keyOf({ cookie, ...rest }));
      const answer = await get(n < 20 ? '/?session=end' : '/?session=rotate', cookie);
      assert.equal(keyOf(answer), known[n]);
    }
    const clients = Array.from({ length: 8 }, async () => {
      for (let n = 0; n < 4_500 / 8; n++) await get('/?session=end', (await get('/')).cookie);
    });
    await Promise.all(clients);
    const refused = async () => {
      for (const [n, cookie] of gone.entries()) assert.notEqual(keyOf(await get('/', cookie)), known[n]);
    };
    await refused();
    await limpet.stop();
    limpet = await start();
    await refused();
  });
});
