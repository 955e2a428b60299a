import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backends } from './backends.ts';
import { BenchError } from './bench-error.ts';
import type { Certificate } from './certificate.ts';
import { freePorts } from './free-ports.ts';
import { type Started, waitForPort } from './processes.ts';
import type { Demands } from './proxies/proxy-kind.ts';
import type { HeaderLine } from './request-head.ts';
import { beginSessions, type Session, type Target } from './sessions.ts';
import type { Present, RunSetting } from './setting.ts';

/** Client connections for the checks, and for those that the generator has closed and the proxy has not seen closed. */
const SPARE_CONNECTIONS = 200;
/** Characters of a log that an error shows. */
const LAST_WORDS = 500;

/** A proxy that runs, with the sessions that were begun and proved to stick. */
export interface Contestant {
  readonly present: Present;
  readonly started: Started;
  readonly target: Target;
  readonly sessions: readonly Session[];
  readonly configuration: string;
}

/** What a proxy is started for. */
export interface Entry {
  readonly present: Present;
  readonly backends: Backends['list'];
  readonly bodyBytes: number;
  readonly demands: Demands;
  readonly connections: number;
  readonly tls: Certificate | null;
  readonly tokenSecret: string;
  readonly redisUrl: string | null;
  /** What names the sessions where clients bring it; null: sessions are begun by a login. */
  readonly marks: readonly HeaderLine[] | null;
}

/** Starts a proxy, waits until it listens, begins its sessions and proves that they stick. */
export async function enter(setting: RunSetting, entry: Entry): Promise<Contestant> {
  const { options, processes, pins } = setting;
  const { present, backends, demands, tls, tokenSecret, redisUrl, bodyBytes } = entry;
  const { kind } = present;
  const [port] = await freePorts(1);
  const directory = await mkdtemp(join(setting.directory, `${kind.name.replaceAll('/', '-')}-`));
  const { command, configuration } = await kind.prepare({
    port: port!,
    backends,
    connections: entry.connections + SPARE_CONNECTIONS,
    demands,
    tls,
    tokenSecret,
    redisUrl,
    directory,
  });
  // Two threads on one core would measure the scheduler.
  const prefix = demands.workers === 1 ? pins.proxy : [];
  const started = await processes.start(kind.name, [...prefix, ...command]);
  await waitForPort(started, port!);
  const target: Target = { port: port!, proxy: kind, backends: backends.length, bodyBytes, tls: tls !== null };
  try {
    const sessions = await beginSessions(target, options.sessions, entry.marks);
    return { present, started, target, sessions, configuration };
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    const said = await lastWords(started, directory);
    throw new BenchError(said === '' ? error.message : `${error.message}; its last output: ${said}`, { cause: error });
  }
}

/** The end of what the proxy wrote to its outputs and into log files in its folder; empty when there is nothing. */
async function lastWords(started: Started, directory: string): Promise<string> {
  const logs = (await readdir(directory)).filter((name) => name.endsWith('.log'));
  const texts = await Promise.all(logs.map((name) => readFile(join(directory, name), 'utf8')));
  return [started.output(), ...texts]
    .map((text) => text.trim().slice(-LAST_WORDS))
    .filter((text) => text !== '')
    .join('\n');
}
