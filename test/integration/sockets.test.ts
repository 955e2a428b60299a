import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { chooseEngine, engineFacts } from '../../src/sockets/choose-engine.ts';
import { runLimpet } from '../cli/run-limpet.ts';
import { ask } from '../support/ask.ts';
import { echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const PRELOAD = { NODE_OPTIONS: `--import=${new URL('../support/watch-engine.ts', import.meta.url).href}` };
const usual = chooseEngine('auto', engineFacts());

describe('sockets', () => {
  const backend = new HttpBackend('a');
  before(() => backend.start());
  after(() => backend.stop());

  const start = async (t: TestContext, more: string, env: Record<string, string> = {}): Promise<LimpetProcess> => {
    backend.answer = echo;
    const limpet = await startLimpetProcess(
      `workers: 2\n${more}pools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`,
      { env },
    );
    t.after(limpet.stop);
    return limpet;
  };

  /** The engine that is said to be in use, once requests have gone through it. */
  const engineOf = async (limpet: LimpetProcess): Promise<string> => {
    for (let n = 0; n < 20; n++) assert.equal((await ask(limpet.url)).status, 200);
    const { body } = await ask(`${limpet.admin}/metrics`);
    const engine = limpet.log.find((line) => line.msg === 'limpet takes traffic')?.sockets;
    for (const one of ['system', 'node']) {
      assert.match(body, new RegExp(`^limpet_socket_engine\\{engine="${one}"\\} ${one === engine ? 1 : 0}$`, 'm'));
    }
    assert.doesNotMatch(body, /^limpet_socket_lost_wakeups_total [1-9]/m);
    return String(engine);
  };
  const reasons = (limpet: LimpetProcess) =>
    limpet.log.filter(({ msg }) => String(msg).startsWith('connections go through Node')).map(({ why }) => why);

  test('76: auto is the engine that this Node was tested with', async (t) => {
    const limpet = await start(t, '');
    assert.equal(await engineOf(limpet), usual.engine);
    assert.deepEqual(reasons(limpet), []);
  });

  test('76: node is used where it is asked for', async (t) => {
    const limpet = await start(t, 'sockets: node\n');
    assert.equal(await engineOf(limpet), 'node');
    assert.deepEqual(reasons(limpet), []);
  });

  test('76: where events never arrive limpet goes on with the other engine, and says so once', {
    skip: usual.engine === 'node' && 'this Node has no node:ffi',
  }, async (t) => {
    const limpet = await start(t, '', { ...PRELOAD, DROP_EVENTS: '1' });
    assert.equal(await engineOf(limpet), 'node');
    assert.deepEqual(reasons(limpet), ['the event of a byte did not arrive within 500 ms']);
    const { level } = limpet.log.find(({ why }) => why !== undefined)!;
    assert.equal(level, 'warn');
  });

  test('76: threads that carry no traffic load nothing of it', async (t) => {
    const limpet = await start(t, '', PRELOAD);
    assert.equal((await ask(limpet.url)).status, 200);
    const expected = usual.engine === 'node' ? ['WebAssembly'] : ['WebAssembly', 'dlopen'];
    const lines = limpet
      .stderr()
      .split('\n')
      .filter((line) => /WebAssembly|dlopen/.test(line));
    assert.deepEqual(
      lines.sort(),
      [0, 1].flatMap((n) => expected.map((what) => `limpet worker ${n}: ${what}`)),
    );
    const help = await runLimpet(['--help'], { env: PRELOAD });
    assert.deepEqual([help.status, help.stderr], [0, '']);
  });
});
