import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { fitLine } from '../../../src/cli/top/fit-line.ts';
import { TerminalScreen } from '../../../src/cli/top/terminal-screen.ts';

class Terminal extends EventEmitter {
  readonly isTTY = true;
  rows = 3;
  columns = 6;
  text = '';
  raw = false;
  reading = false;

  write(text: string): void {
    this.text += text;
  }

  setRawMode(raw: boolean): void {
    this.raw = raw;
  }

  resume(): void {
    this.reading = true;
  }

  pause(): void {
    this.reading = false;
  }
}

test('a line that is too long is cut at the width, colours not counted and closed', () => {
  assert.equal(fitLine('abcdef', 6), 'abcdef');
  assert.equal(fitLine('abcdefg', 6), 'abcdef');
  assert.equal(fitLine('\u001b[31mred\u001b[39m and more', 5), '\u001b[31mred\u001b[39m a\u001b[0m');
  assert.equal(fitLine('ä😀b', 2), 'ä😀');
});

test('the screen takes what fits, never scrolls, follows the size, and the terminal is given back once', () => {
  const terminal = new Terminal();
  const keys: string[] = [];
  let resized = 0;
  const screen = new TerminalScreen(
    terminal,
    terminal,
    (key) => keys.push(key),
    () => resized++,
  );
  assert.deepEqual([terminal.raw, terminal.reading], [true, true]);
  terminal.text = '';
  screen.draw(['one', 'two is long', 'three', 'four']);
  assert.equal(terminal.text, '\u001b[Hone\u001b[K\r\ntwo is\u001b[K\r\nthree\u001b[K\u001b[J');
  terminal.emit('data', Buffer.from('qx'));
  terminal.emit('resize');
  assert.deepEqual([keys, resized], [['q', 'x'], 1]);
  terminal.text = '';
  screen.leave();
  screen.leave();
  screen.draw(['late']);
  assert.equal(terminal.text, '\u001b[?25h\u001b[?1049l');
  assert.deepEqual(
    [terminal.raw, terminal.reading, terminal.listenerCount('data'), terminal.listenerCount('resize')],
    [false, false, 0, 0],
  );
});
