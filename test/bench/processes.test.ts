import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { freePorts } from '../../bench/free-ports.ts';
import { assertRunning, Processes, waitForPort } from '../../bench/processes.ts';

const node = process.execPath;

test('a process that ignores the polite signal is killed after the deadline, and its children with it', async () => {
  const processes = new Processes(50);
  // The grandchild holds the same standard output: `closed` resolves when both have ended.
  const script = `
    process.on('SIGTERM', () => {});
    const options = { stdio: ['ignore', 'inherit', 'inherit'] };
    const child = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], options);
    child.once('spawn', () => process.send('ready'));
    setInterval(() => {}, 1000);
  `;
  const started = await processes.start('stubborn', [node, '-e', script], { ipc: true });
  await once(started.child, 'message');
  await processes.stopAll();
  await started.closed;
  assert.equal(started.child.signalCode, 'SIGKILL');
  assert.throws(() => assertRunning(started), /stubborn ended \(SIGKILL\)/);
});

test('on the way out everything is killed at once', async () => {
  const processes = new Processes();
  const started = await processes.start('busy', [node, '-e', 'setInterval(() => {}, 1000)']);
  processes.killAll();
  await started.closed;
  assert.equal(started.child.signalCode, 'SIGKILL');
});

test('a process that ends instead of listening is an error with what it said', async () => {
  const processes = new Processes();
  const [port] = await freePorts(1);
  const started = await processes.start('broken', [
    node,
    '-e',
    'console.error("no such option"); process.exitCode = 3',
  ]);
  await assert.rejects(waitForPort(started, port!), /broken ended \(status 3\): no such option/);
});

test('a program that does not exist is an error with its name', async () => {
  await assert.rejects(
    new Processes().start('ghost', ['/no/such/program']),
    /cannot start ghost \(\/no\/such\/program\)/,
  );
});

test('free ports differ from each other', async () => {
  assert.equal(new Set(await freePorts(5)).size, 5);
});
