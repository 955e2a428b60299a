import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgressBar } from '../../src/cli/drain-progress.ts';

const HIDE = '\u001b[?25l';
const SHOW = '\u001b[?25h';
const CLEAR = '\r\u001b[2K';

function screen(columns: number) {
  const written: string[] = [];
  const write = (text: string) => written.push(text) > 0;
  const bar = new ProgressBar('shop/\u001b[31ma', { columns, write } as Pick<NodeJS.WriteStream, 'write' | 'columns'>);
  return { bar, written };
}

test('the bar grows as sessions leave, begins anew when more come, and gives the cursor back', () => {
  const { bar, written } = screen(200);
  const show = (sessions: number, requests: number, remaining: number | null) =>
    bar.show({ sessions, requests, remaining });
  show(4, 1, null);
  show(1, 0, 65_000);
  show(8, 0, 0);
  show(0, 2, 0);
  bar.stop();
  bar.stop();
  const lines = written.map((text) => text.replaceAll(/shop\/.*?a /g, ''));
  assert.deepEqual(lines, [
    `${HIDE}${CLEAR}[${'-'.repeat(24)}] 4 sessions and 1 request left`,
    `${CLEAR}[${'='.repeat(18)}${'-'.repeat(6)}] 1 session and 0 requests left; the rest is moved in 1m 05s`,
    `${CLEAR}[${'-'.repeat(24)}] 8 sessions and 0 requests left; moving the sessions`,
    `${CLEAR}[${'='.repeat(24)}] 0 sessions and 2 requests left`,
    `${CLEAR}${SHOW}`,
  ]);
  assert.ok(!written.some((text) => text.includes('\u001b[31m')), 'a name does not paint the terminal');
});

test('a bar is full where there was no session, never longer than the line, and writes nothing before it is shown', () => {
  const { bar, written } = screen(40);
  bar.stop();
  assert.equal(written.length, 0);
  bar.show({ sessions: 0, requests: 0, remaining: null });
  const line = written[0]!.slice(`${HIDE}${CLEAR}`.length);
  assert.match(line, /\[={3,}/);
  assert.ok(line.length <= 39, line);
});
