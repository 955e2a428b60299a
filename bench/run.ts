import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Backends, startBackends } from './backends.ts';
import { BenchError } from './bench-error.ts';
import { type Certificate, makeCertificate } from './certificate.ts';
import { peakMemory, processTree } from './cpu.ts';
import { freePorts } from './free-ports.ts';
import type { Generator, LoadJob } from './load/load.ts';
import { workerGenerator } from './load/worker.ts';
import { wrkGenerator } from './load/wrk.ts';
import { findProgram, machine } from './machine.ts';
import { type Bench, measure, type Sample } from './measure.ts';
import type { Options } from './options.ts';
import { type Processes, type Started, waitForPort } from './processes.ts';
import type { ProxyKind } from './proxies/proxy-kind.ts';
import { proxies as allProxies, DEFAULT_PROXIES, TLS_PROXIES } from './proxies/registry.ts';
import type { Report } from './report.ts';
import { rotation } from './rotation.ts';
import { beginSessions, type Session, type Target, verifySessions } from './sessions.ts';
import { spread } from './statistics.ts';

/** Client connections for the checks, and for those that the generator has closed and the proxy has not seen closed. */
const SPARE_CONNECTIONS = 200;

/** The warm-up is repeated until this many requests have been answered, but not more often than WARMUP_TURNS. */
const WARMUP_REQUESTS = 40_000;
const WARMUP_TURNS = 4;

/** What a run needs. */
export interface RunSetting {
  readonly options: Options;
  readonly command: string;
  readonly processes: Processes;
  /** A folder for temporary files. */
  readonly directory: string;
  readonly progress: (text: string) => void;
}

interface Contestant {
  readonly proxy: ProxyKind;
  readonly version: string;
  readonly started: Started;
  readonly target: Target;
  readonly sessions: readonly Session[];
  readonly closed: Sample[];
  readonly paced: Sample[];
  offered: number | null;
}

/** Starts everything, checks it, measures it, and leaves the stopping to the owner of `processes`. */
export async function run(setting: RunSetting): Promise<Report> {
  const { options, processes, directory, progress } = setting;
  const facts = machine();
  const pins = pinning(options.pin, facts.cores);
  const generate = generatorOf(options, directory);
  const certificate = options.tls === 'off' ? null : makeCertificate(directory);
  const { present, leftOut } = await select(setting);
  const backends = await startBackends(processes, options.body, pins.rest);
  const bench: Bench = { processes, backends, prefix: pins.rest };
  const ceiling = await ceilingOf(bench, generate, options);
  progress(`generator and backends alone: ${ceiling.toFixed(0)} requests/s`);

  const contestants: Contestant[] = [];
  const ports = await freePorts(present.length);
  for (const [index, { proxy, version }] of present.entries()) {
    contestants.push(await enter(setting, backends, certificate, pins.proxy, proxy, version, ports[index]!));
  }
  for (const contestant of contestants) await warmUp(setting, bench, generate, contestant);
  for (let round = 0; round < options.rounds; round++) {
    for (const contestant of rotation(contestants, round)) {
      const job = jobFor(options, contestant, options.seconds, null);
      const sample = await measure(bench, contestant.started, generate, job);
      contestant.closed.push(sample);
      progress(`round ${round + 1}/${options.rounds} ${line(contestant.proxy.name, sample)}`);
    }
  }
  for (let round = 0; options.rate !== null && round < options.rounds; round++) {
    for (const contestant of rotation(contestants, round)) {
      const capacity = spread(contestant.closed.map((sample) => sample.rate)).median;
      contestant.offered = options.rate === 'half' ? Math.round(capacity / 2) : options.rate;
      const job = jobFor(options, contestant, options.seconds, contestant.offered);
      const sample = await measure(bench, contestant.started, workerGenerator('./paced-worker.ts'), job);
      contestant.paced.push(sample);
      progress(`fixed rate ${round + 1}/${options.rounds} ${line(contestant.proxy.name, sample)}`);
    }
  }
  for (const { target, sessions } of contestants) await verifySessions(target, sessions);
  return {
    command: setting.command,
    date: new Date().toISOString(),
    machine: facts,
    tools: { [options.load]: await generatorVersion(options.load) },
    options,
    ceiling,
    leftOut,
    proxies: contestants.map(({ proxy, version, started, closed, paced, offered }) => {
      const memory = peakMemory(processTree(started.pid));
      return { name: proxy.name, version, setup: proxy.setup, closed, paced, offered, peakMemory: memory };
    }),
  };
}

/** Which proxies can be measured. One that was named and is not there is an error; of the default ones it is left out. */
async function select({ options, processes, progress }: RunSetting) {
  const all = allProxies(options.source);
  if (options.only.includes('limpet') && !options.source) await build(processes, progress);
  const present: { proxy: ProxyKind; version: string }[] = [];
  const leftOut: { name: string; reason: string }[] = [];
  for (const name of options.only) {
    const found = await all[name].find();
    if ('version' in found) {
      present.push({ proxy: all[name], version: found.version });
      continue;
    }
    if (options.only !== DEFAULT_PROXIES && options.only !== TLS_PROXIES)
      throw new BenchError(`${name}: ${found.missing}`);
    leftOut.push({ name, reason: found.missing });
    progress(`${name} LEFT OUT: ${found.missing}`);
  }
  if (present.length === 0) throw new BenchError('none of the proxies is here');
  return { present, leftOut };
}

async function build(processes: Processes, progress: (text: string) => void): Promise<void> {
  progress('building limpet');
  const root = fileURLToPath(new URL('..', import.meta.url));
  const started = await processes.start('the build', ['npm', 'run', '--silent', '--prefix', root, 'build']);
  await started.closed;
  if (started.child.exitCode === 0) return;
  throw new BenchError(`limpet does not build (--source runs it without a build):\n${started.output()}`);
}

async function enter(
  { options, processes, directory, progress }: RunSetting,
  backends: Backends,
  tls: Certificate | null,
  prefix: readonly string[],
  proxy: ProxyKind,
  version: string,
  port: number,
): Promise<Contestant> {
  const folder = join(directory, proxy.name);
  await mkdir(folder);
  const connections = options.connections + SPARE_CONNECTIONS;
  const command = await proxy.prepare({ port, backends: backends.list, connections, tls, directory: folder });
  const started = await processes.start(proxy.name, [...prefix, ...command]);
  await waitForPort(started, port);
  const target: Target = { port, proxy, backends: backends.list.length, bodyBytes: options.body, tls: tls !== null };
  const sessions = await beginSessions(target, options.sessions);
  progress(`${proxy.name} ${version}: listens on 127.0.0.1:${port}, ${sessions.length} sessions stick`);
  return { proxy, version, started, target, sessions, closed: [], paced: [], offered: null };
}

/** V8 compiles by the number of calls: so a busy machine, where fewer requests fit into a second, gets more seconds. */
async function warmUp({ options, progress }: RunSetting, bench: Bench, generate: Generator, contestant: Contestant) {
  const job = jobFor(options, contestant, options.warmup, null);
  let requests = 0;
  for (let turn = 0; turn < WARMUP_TURNS && requests < WARMUP_REQUESTS && options.warmup > 0; turn++) {
    requests += (await measure(bench, contestant.started, generate, job)).requests;
  }
  progress(`${contestant.proxy.name}: warmed up with ${requests} requests`);
}

function jobFor(options: Options, { target, sessions }: Contestant, seconds: number, rate: number | null): LoadJob {
  const cookies = sessions.map(({ cookie }) => cookie).filter((cookie) => cookie !== null);
  const { connections, headers, tls } = options;
  return {
    port: target.port,
    connections,
    seconds,
    cookies,
    headers,
    tls: tls !== 'off',
    close: tls === 'handshakes',
    rate,
  };
}

async function ceilingOf({ processes, backends, prefix }: Bench, generate: Generator, options: Options) {
  const { connections, headers } = options;
  const job: LoadJob = {
    port: backends.list[0]!.port,
    connections,
    seconds: Math.min(2, options.seconds),
    cookies: [],
    headers,
    tls: false,
    close: false,
    rate: null,
  };
  const { requests, seconds } = await generate(processes, prefix, job, () => {});
  return requests / seconds;
}

function generatorOf(options: Options, directory: string): Generator {
  if (options.load === 'autocannon') return workerGenerator('./autocannon-worker.ts');
  const program = findProgram('wrk');
  if (program === null) throw new BenchError('wrk is not installed (not on PATH): leave --load out');
  return wrkGenerator(program, directory);
}

async function generatorVersion(load: Options['load']): Promise<string> {
  if (load === 'autocannon') {
    const file = createRequire(import.meta.url).resolve('autocannon/package.json');
    return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version;
  }
  // wrk tells its version with its usage and ends with status 1.
  const told = await promisify(execFile)('wrk', ['-v']).catch((error: { stdout: string; stderr: string }) => error);
  return /^wrk (?:debian\/)?(\S+)/m.exec(told.stdout + told.stderr)?.[1] ?? 'unknown';
}

function pinning(pin: boolean, cores: number): { proxy: readonly string[]; rest: readonly string[] } {
  if (!pin) return { proxy: [], rest: [] };
  if (findProgram('taskset') === null) throw new BenchError('--pin needs taskset (util-linux), which is not installed');
  if (cores < 2) throw new BenchError('--pin needs two cores');
  return { proxy: ['taskset', '-c', '0'], rest: ['taskset', '-c', cores === 2 ? '1' : `1-${cores - 1}`] };
}

function line(name: string, { total, rate, p50, p99, problem }: Sample): string {
  const figures = `${total.toFixed(1)} µs CPU/request, ${rate.toFixed(0)} requests/s, p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)} ms`;
  return `${name}: ${figures}${problem === null ? '' : `, INVALID: ${problem}`}`;
}
