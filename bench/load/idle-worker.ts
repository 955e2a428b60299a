/**
 * Opens connections to the port in the first argument, as many as the second says, with one request on each, and keeps
 * them. Tells its parent `{ open }` when all have had their answer or no more come for a while, and ends with it.
 */
import { connect } from 'node:net';
import { PLAIN_GET, requestHead } from '../request-head.ts';
import { AnswerReader } from './answer-reader.ts';

const [port, count] = process.argv.slice(2).map(Number);
/** A proxy that takes no more connections says nothing: they are given up after so long without an answer, ms. */
const GIVE_UP_MS = 10_000;
/** Connections that are being opened at once. */
const LANES = 100;
const head = requestHead(`127.0.0.1:${port}`, PLAIN_GET, null);

process.once('disconnect', () => process.exit(0));
let begun = 0;
let open = 0;
let lastAnswer = performance.now();

function next(): Promise<void> {
  if (begun++ >= count!) return Promise.resolve();
  return new Promise<void>((resolve) => {
    const socket = connect({ port: port!, host: '127.0.0.1' });
    const reader = new AnswerReader((status) => {
      if (status === 200) open++;
      lastAnswer = performance.now();
      resolve();
    });
    socket.on('connect', () => socket.write(head));
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      open--;
      resolve();
    });
  }).then(next);
}

function stalled(): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (performance.now() - lastAnswer < GIVE_UP_MS) return;
      clearInterval(timer);
      resolve();
    }, 500);
  });
}

await Promise.race([Promise.all(Array.from({ length: LANES }, next)), stalled()]);
process.send?.({ open });
