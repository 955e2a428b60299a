import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { findProgram } from '../support/find-program.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { startLimpetProcess } from '../support/limpet.ts';
import { LIMPET_MAIN } from '../support/limpet-main.ts';

/** Gives a program a terminal (util-linux; others have other options). */
const script = process.platform === 'linux' ? findProgram(['script'], 'SCRIPT') : null;
const skip = script === null && 'needs the program script of util-linux: apt-get install bsdutils';
const PATIENCE = 30_000;

/** `limpet top` on a terminal of 24 lines; after it, the terminal's settings and the exit status. */
function startTop(t: TestContext, admin: string) {
  const command = `stty rows 24 cols 90; "${process.execPath}" "${LIMPET_MAIN}" top --interval 300ms --admin ${admin}; echo "status $?"; stty -a`;
  const child = spawn(script!, ['-qec', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TERM: 'xterm', SHELL: '/bin/sh' },
  });
  const top = { child, text: '', ended: once(child, 'exit') };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    top.text += text;
  });
  t.after(() => child.kill('SIGKILL'));
  return top;
}

/** What the terminal shows now: the last picture. */
const screen = (text: string): string => stripVTControlCharacters(text.slice(text.lastIndexOf('\u001b[H')));

test('limpet top on a terminal shows live rates, goes on when limpet does not answer, and q gives the terminal back', {
  skip,
}, async (t) => {
  const backend = await new HttpBackend('a').start();
  t.after(() => backend.stop());
  const limpet = await startLimpetProcess(
    `workers: 2\npools: { shop: { backends: [{ id: a, url: "${backend.url}" }] } }\n`,
  );
  t.after(() => limpet.stop());
  const { cookie } = await ask(`${limpet.url}/`);
  const top = startTop(t, limpet.admin);
  await eventually(
    'a rate',
    async () => {
      for (let i = 0; i < 5; i++) await ask(`${limpet.url}/`, { headers: { cookie } });
      return /shop\/a +ready +\w+ +[1-9]/.test(screen(top.text));
    },
    PATIENCE,
  );
  assert.match(screen(top.text), /q leaves/);
  await limpet.stop();
  await eventually('the trouble', () => /cannot reach limpet/.test(screen(top.text)), PATIENCE);
  assert.match(screen(top.text), /shop\/a/, 'what was known last stays on the screen');
  top.child.stdin.write('q');
  await top.ended;
  const [, rest = ''] = top.text.split('\u001b[?1049l');
  assert.match(rest, /status 0/);
  assert.match(rest, /[^-]icanon/);
  assert.match(rest, /[^-]echo /);
  assert.ok(top.text.includes('\u001b[?25h'), 'the cursor is back');
});

test('Ctrl-C leaves limpet top too, also when nothing answers', { skip }, async (t) => {
  const top = startTop(t, 'http://127.0.0.1:1');
  await eventually('the trouble', () => /cannot reach limpet/.test(screen(top.text)), PATIENCE);
  top.child.stdin.write('\u0003');
  await top.ended;
  assert.match(top.text.split('\u001b[?1049l')[1] ?? '', /status 0[\s\S]*[^-]icanon/);
});
