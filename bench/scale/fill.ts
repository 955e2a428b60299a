import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assertRunning, type Processes } from '../processes.ts';
import type { HeaderLine } from '../request-head.ts';

/** What came of making sessions. */
export interface Filled {
  readonly rows: number;
  /** Of the snapshot. */
  readonly bytes: number;
  readonly fillSeconds: number;
  /** Of a lookup in a table of this size, in CPU time; keys are random. */
  readonly hitNs: number;
  readonly missNs: number;
}

/** What the process that makes them tells. */
export type FillReply = { readonly progress: string } | { readonly filled: Filled };

/** What to make. */
export interface FillSetting {
  /** A configuration of limpet with the pool and the secrets. */
  readonly configFile: string;
  readonly sessions: number;
  /** How many of them have a cookie. */
  readonly cookies: number;
  /** To be written. */
  readonly snapshot: string;
}

/**
 * Makes a snapshot with so many sessions in a process of its own, and the lines with which clients name some of them.
 */
export async function fill(
  processes: Processes,
  { configFile, sessions, cookies, snapshot }: FillSetting,
  progress: (text: string) => void,
): Promise<Filled & { readonly marks: readonly HeaderLine[] }> {
  const script = fileURLToPath(new URL('./fill-process.ts', import.meta.url));
  const cookieFile = `${snapshot}.cookies`;
  const numbers = [String(sessions), String(cookies)];
  const command = [process.execPath, script, configFile, ...numbers, snapshot, cookieFile];
  const started = await processes.start('the process that makes the sessions', command, { ipc: true });
  let filled: Filled | null = null;
  started.child.on('message', (reply: FillReply) => {
    if ('progress' in reply) progress(`  ${reply.progress}`);
    else filled = reply.filled;
  });
  await once(started.child, 'close');
  if (filled === null) assertRunning(started);
  const lines = readFileSync(cookieFile, 'latin1').trim().split('\n');
  return { ...filled!, marks: lines.map((line) => ['Cookie', line] as const) };
}
