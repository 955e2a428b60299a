/**
 * Closed-loop load over a backend's death. Arguments: a file with JSON, a FailoverJob. Tells its parent `ready` when
 * the load runs, takes a message when the backend has been killed, and sends a FailoverTold at the end of the window.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { type HeaderLine, PLAIN_GET, requestHead } from '../request-head.ts';
import { AnswerReader } from './answer-reader.ts';

/** The load of one failover. */
export interface FailoverJob {
  readonly port: number;
  readonly connections: number;
  /** Sessions, and the backend that holds each. */
  readonly sessions: readonly { readonly mark: HeaderLine; readonly backend: string }[];
  readonly victim: string;
  /** How long the load goes on after the kill, ms. */
  readonly afterMs: number;
}

/** What the clients saw. Times in ms since the epoch; 0: never. */
export interface FailoverTold {
  readonly requests: number;
  readonly errorKinds: Record<string, number>;
  readonly longestMs: number;
  /** For each session of the victim: when the first answer of another backend came. */
  readonly movedAt: readonly number[];
}

const job = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as FailoverJob;
const heads = job.sessions.map(({ mark }) => requestHead(`127.0.0.1:${job.port}`, PLAIN_GET, mark));
const movedAt = job.sessions.map(() => 0);
const errorKinds: Record<string, number> = {};
/** A connection that failed is opened again after so long, ms: clients do not hammer. */
const AGAIN_MS = 20;
let requests = 0;
let longestMs = 0;
let over = false;

const now = (): number => performance.timeOrigin + performance.now();

function failed(kind: string): void {
  if (!over) errorKinds[kind] = (errorKinds[kind] ?? 0) + 1;
}

/** One client: its sessions in turn, one request at a time. */
function client(index: number): void {
  const own = heads.map((_, session) => session).filter((session) => session % job.connections === index);
  if (own.length === 0) return;
  let turn = 0;
  const open = (): void => {
    if (over) return;
    const socket: Socket = connect({ port: job.port, host: '127.0.0.1', noDelay: true });
    let session = 0;
    let sentAt = 0;
    const send = (): void => {
      session = own[turn++ % own.length]!;
      sentAt = now();
      socket.write(heads[session]!, 'latin1');
    };
    const reader = new AnswerReader((status, head) => {
      const at = now();
      longestMs = Math.max(longestMs, at - sentAt);
      sentAt = 0;
      if (status < 200 || status > 299) failed(`status ${status}`);
      else {
        requests++;
        const backend = /\r\nx-backend: *(\S+)/i.exec(head)?.[1];
        if (movedAt[session] === 0 && backend !== job.sessions[session]!.backend) movedAt[session] = at;
      }
      if (/\r\nconnection: *close/i.test(head)) socket.destroy();
      else if (!over) send();
    });
    socket.on('connect', send);
    socket.on('data', (chunk: Buffer) => {
      if (reader.push(chunk)) return;
      failed('an answer without a length');
      sentAt = 0;
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (sentAt !== 0) failed('closed without an answer');
      if (!over) setTimeout(open, AGAIN_MS);
    });
  };
  open();
}

process.once('disconnect', () => process.exit(0));
for (let index = 0; index < job.connections; index++) client(index);
process.send?.('ready');
process.once('message', () => {
  setTimeout(() => {
    over = true;
    const held = movedAt.filter((_, session) => job.sessions[session]!.backend === job.victim);
    const told: FailoverTold = { requests, errorKinds, longestMs, movedAt: held };
    process.send?.(told, () => process.exit(0));
  }, job.afterMs);
});
