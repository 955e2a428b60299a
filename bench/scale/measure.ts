import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SessionTable } from '../../src/sessions/table/table.ts';
import { type Backends, startBackends } from '../backends.ts';
import { machine } from '../machine.ts';
import type { Processes } from '../processes.ts';
import type { HeaderLine } from '../request-head.ts';
import { rotation } from '../rotation.ts';
import { spread } from '../statistics.ts';
import { type Filled, fill } from './fill.ts';
import { beforeWrite, offer } from './load.ts';
import { FEW, type ScaleOptions } from './options.ts';
import type { Latencies, Round } from './requests.ts';
import { ResidentLimpet, type ResidentSetting, WRITE_EVERY, writeConfig } from './resident-limpet.ts';
import type { LongestTurns, Resident, ScaleResult, WorkersResult, Writing } from './result.ts';

/** Sessions that requests are of, spread evenly. */
const COOKIES = 100_000;
const CONNECTIONS = 64;
const WARMUP_SECONDS = 3;
const WRITES = 3;
/** Requests a second where only pauses matter, and their connections. */
const QUIET_RATE = 250;
const QUIET_CONNECTIONS = 8;
const QUIET_WRITES = 2;
/** Rows that are written in a second at the least; of a write that takes longer the end is not under load. */
const LEAST_WRITTEN = 1_000_000;
const LONGEST_LOAD = 115;
/** As in src/app.ts: they make the size of the table, a little. */
const SLOTS = 1024;
const POOLS = 257;

/** What all parts need. */
interface Bench {
  readonly options: ScaleOptions;
  readonly processes: Processes;
  /** For temporary files. */
  readonly directory: string;
  readonly progress: (text: string) => void;
}

/** One size, made. */
interface Size {
  readonly filled: Filled;
  readonly snapshot: string;
  readonly marks: readonly HeaderLine[];
}

/** Does all measurements. */
export async function measureScale(bench: Bench): Promise<ScaleResult> {
  const { options, processes, directory, progress } = bench;
  const before = machine();
  const backends = await startBackends(processes, { bodyBytes: 60, prefix: [] });
  const secretFile = join(directory, 'secret');
  writeFileSync(secretFile, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  const common = { backends: backends.list, secretFile };

  const make = async (name: string, sessions: number): Promise<Size> => {
    const folder = join(directory, name);
    mkdirSync(folder);
    progress(`making ${sessions.toLocaleString('en')} sessions`);
    const setting = { ...common, name, directory: folder, workers: 1, max: sessions, snapshot: null };
    // Its listeners are never opened.
    const configFile = writeConfig(setting, 1, 2);
    const snapshot = join(folder, 'made');
    const of = { configFile, sessions, cookies: Math.min(COOKIES, sessions), snapshot };
    const { marks, ...filled } = await fill(processes, of, progress);
    progress(
      `  ${filled.rows.toLocaleString('en')} sessions in ${megabytes(filled.bytes)} MB; a lookup: hit ${filled.hitNs.toFixed(0)} ns, miss ${filled.missNs.toFixed(0)} ns`,
    );
    return { filled, snapshot, marks };
  };
  const few = await make('few', FEW);
  const many = await make('many', options.sessions);
  const runs: WorkersResult[] = [];
  for (const workers of [1, 2]) runs.push(await measureWorkers(bench, common, workers, few, many));
  return { machine: before, options, few: few.filled, many: many.filled, runs };
}

async function measureWorkers(
  bench: Bench,
  common: Pick<ResidentSetting, 'secretFile'> & { readonly backends: Backends['list'] },
  workers: number,
  few: Size,
  many: Size,
): Promise<WorkersResult> {
  const { options, processes, directory, progress } = bench;
  progress(`workers: ${workers}`);
  const start = async (name: string, max: number, snapshot: string | null): Promise<ResidentLimpet> => {
    const folder = join(directory, `${name}-${workers}`);
    const limpet = await ResidentLimpet.start(processes, {
      ...common,
      name: `${name}, workers: ${workers}`,
      directory: folder,
      workers,
      max,
      snapshot,
    });
    progress(
      `  ${name}: takes traffic after ${limpet.readyMs} ms, ${limpet.loadMs} of them for its rows; ${megabytes(limpet.resident)} MB`,
    );
    return limpet;
  };
  const empty = await start('empty', options.sessions, null);
  await empty.stop();
  const parts = [
    { size: few, limpet: await start('few', FEW, few.snapshot), rounds: [] as Round[] },
    { size: many, limpet: await start('many', options.sessions, many.snapshot), rounds: [] as Round[] },
  ] as const;
  const sessions = await Promise.all(parts.map(({ limpet }) => limpet.sessions()));

  const { rate, seconds } = options;
  for (const { limpet } of parts) limpet.freeze();
  for (let round = 0; round <= options.rounds; round++) {
    for (const { size, limpet, rounds } of rotation(parts, round)) {
      await limpet.resume();
      const load = { marks: size.marks, rate, connections: CONNECTIONS };
      const { requests, calm } = await offer(processes, directory, limpet, {
        ...load,
        seconds: round === 0 ? WARMUP_SECONDS : seconds,
      });
      limpet.freeze();
      if (round === 0) continue;
      const latencies = requests.latencies();
      rounds.push({ ...latencies, calm });
      progress(
        `  round ${round}/${options.rounds}: ${limpet.name}: ${line(latencies)}; p99 ${calm.p99.toFixed(2)} of ${(calm.kept * 100).toFixed(0)} %`,
      );
    }
  }

  const [small, large] = parts;
  await large.limpet.resume();
  large.limpet.allowWrites();
  const loaded = await measureWrites(bench, large, workers, { rate, connections: CONNECTIONS, writes: WRITES });
  const calm = { rate: QUIET_RATE, connections: QUIET_CONNECTIONS, writes: QUIET_WRITES };
  const quiet = await measureWrites(bench, large, workers, calm);
  await small.limpet.resume();

  const residents: Resident[] = [];
  for (const [index, { limpet, rounds }] of parts.entries()) {
    residents.push({
      readyMs: limpet.readyMs,
      loadMs: limpet.loadMs,
      sessions: sessions[index]!,
      sessionsAfter: await limpet.sessions(),
      resident: limpet.resident,
      residentAfter: limpet.memory(),
      rounds,
    });
    await limpet.stop();
  }
  const [fewer, more] = residents as [Resident, Resident];
  const { buffer, changes } = SessionTable.allocate(options.sessions, SLOTS, workers + 1, POOLS, true);
  return {
    workers,
    emptyMs: empty.readyMs,
    few: fewer,
    many: more,
    tableBytes: buffer.byteLength + changes!.byteLength,
    bytesPerSession: (more.resident - fewer.resident) / (more.sessions - fewer.sessions),
    p99Ratio: ratio(fewer.rounds, more.rounds, 'p99'),
    calmP99Ratio: calmRatio(fewer.rounds, more.rounds),
    sentP99Ratio: ratio(fewer.rounds, more.rounds, 'sentP99'),
    loaded,
    quiet,
  };
}

/** Puts load on a limpet over the time of some writes. */
async function measureWrites(
  { options, processes, directory, progress }: Bench,
  { limpet, size }: { readonly limpet: ResidentLimpet; readonly size: Size },
  workers: number,
  { rate, connections, writes: wanted }: { rate: number; connections: number; writes: number },
): Promise<Writing> {
  const between = ((wanted - 1) * WRITE_EVERY) / 1000;
  const seconds = Math.min(LONGEST_LOAD, between + 10 + Math.ceil(options.sessions / LEAST_WRITTEN));
  await beforeWrite(limpet);
  const known = limpet.writes.length;
  limpet.watch();
  const { requests } = await offer(processes, directory, limpet, { marks: size.marks, rate, seconds, connections });
  const threads = await limpet.turns(workers);
  await limpet.written();
  const writes = limpet.writes.slice(known);
  const during = requests.apart(writes, true).latencies();
  const rest = requests.apart(writes, false).latencies();
  const isDuring = (at: number): boolean => writes.some(({ from, to }) => at >= from && at <= to + 100);
  const turns = threads.map(({ thread, turns }): LongestTurns => {
    const longest = (when: boolean, figure: 'ms' | 'own'): number =>
      Math.max(0, ...turns.filter(({ at }) => isDuring(at) === when).map((turn) => turn[figure]));
    return {
      thread,
      during: longest(true, 'ms'),
      between: longest(false, 'ms'),
      ownDuring: longest(true, 'own'),
      ownBetween: longest(false, 'own'),
    };
  });
  const took = writes.map(({ from, to }) => to - from).join(', ');
  progress(`  ${writes.length} snapshots written in ${took} ms at ${rate} requests a second`);
  progress(`    during: ${line(during)}`);
  progress(`    between: ${line(rest)}`);
  for (const { thread, during, between, ownDuring, ownBetween } of turns) {
    progress(
      `    longest turn of ${thread}: ${during.toFixed(1)} ms during, ${between.toFixed(1)} ms between; its own ${ownDuring.toFixed(1)} and ${ownBetween.toFixed(1)}`,
    );
  }
  return { rate, writes, during, between: rest, turns };
}

/** Middle of the rounds' own ratios. */
function ratio(few: readonly Latencies[], many: readonly Latencies[], figure: 'p99' | 'sentP99'): number {
  return spread(many.map((round, n) => round[figure] / few[n]![figure])).median;
}

function calmRatio(few: readonly Round[], many: readonly Round[]): number | null {
  const ratios = many.flatMap(({ calm }, n) => {
    const other = few[n]!.calm;
    return calm.kept > 0 && other.kept > 0 ? [calm.p99 / other.p99] : [];
  });
  return ratios.length === 0 ? null : spread(ratios).median;
}

function line({ p50, p99, p999, max, late }: Latencies): string {
  const [a, b, c, d, e] = [p50, p99, p999, max, late].map((ms) => ms.toFixed(2));
  return `p50 ${a}, p99 ${b}, p99.9 ${c}, max ${d} ms (generator late by up to ${e})`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
