import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { attempt } from './attempt.ts';
import { startBackends } from './backends.ts';
import { BenchError } from './bench-error.ts';
import type { RequestCase } from './cases/case.ts';
import { makeCertificate } from './certificate.ts';
import { type Contestant, enter } from './contestant.ts';
import { peakMemory, processTree } from './cpu.ts';
import { type GeneratorName, httpGenerator, pacedGenerator, websocketGenerator } from './load/generators.ts';
import type { Generator, LoadJob } from './load/load.ts';
import { workerGenerator } from './load/worker.ts';
import { findProgram } from './machine.ts';
import { type Bench, measure, type Sample } from './measure.ts';
import { startRedis } from './redis.ts';
import type { CaseReport } from './report/report.ts';
import type { HeaderLine } from './request-head.ts';
import { LOGIN_PATH } from './responder.ts';
import { rotation } from './rotation.ts';
import { verifySessions } from './sessions.ts';
import type { Present, RunSetting } from './setting.ts';
import { spread } from './statistics.ts';
import { tokenMarks } from './tokens.ts';

/** The warm-up is repeated until this many requests have been answered, but not more often than WARMUP_TURNS. */
const WARMUP_REQUESTS = 20_000;
const WARMUP_TURNS = 4;
/** Sessions that the load uses of those that were made to be resident. */
const RESIDENT_SAMPLE = 100_000;

interface Runner extends Contestant {
  readonly marks: readonly HeaderLine[];
  readonly closed: Sample[];
  readonly paced: Sample[];
  offered: number | null;
  failed: boolean;
}

/** What is the same for all the proxies of the case. */
interface Course {
  readonly setting: RunSetting;
  readonly what: RequestCase;
  readonly bench: Bench;
  readonly generate: Generator;
}

/**
 * Runs one case of requests with all its proxies: each is started, checked, warmed up, and measured in interleaved
 * rounds.
 */
export async function runRequests(
  setting: RunSetting,
  what: RequestCase,
  presents: readonly Present[],
): Promise<Omit<Extract<CaseReport, { kind: 'requests' }>, 'leftOut'>> {
  const { options, processes, directory, progress, pins } = setting;
  const load = generatorName(setting, what);
  const generate = what.demands.websocket ? websocketGenerator : httpGenerator(load, directory);
  const tls = what.demands.tls ? makeCertificate(directory) : null;
  const tokenSecret = randomBytes(32).toString('hex');
  const tokens = what.marks === 'token' ? tokenMarks(tokenSecret, options.sessions) : null;
  const redisUrl = what.demands.redis ? await startRedis(processes, pins.rest, directory) : null;
  const backends = await startBackends(processes, { bodyBytes: what.bodyBytes, prefix: pins.rest });
  const course: Course = { setting, what, bench: { processes, backends, prefix: pins.rest }, generate };
  const ceiling = await ceilingOf(course);
  progress(`  generator and backends alone: ${ceiling.toFixed(0)} a second`);

  const runners: Runner[] = [];
  const start = async (present: Present): Promise<Runner> => {
    const contestant = await enter(setting, {
      present,
      backends: backends.list,
      bodyBytes: what.bodyBytes,
      demands: what.demands,
      connections: options.connections,
      tls,
      tokenSecret,
      redisUrl,
      marks: tokens,
    });
    const runner: Runner = {
      ...contestant,
      marks: await marksFor(course, contestant),
      closed: [],
      paced: [],
      offered: null,
      failed: false,
    };
    await warmUp(course, runner);
    return runner;
  };
  for (const present of presents) {
    const runner = await attempt(setting, present.kind.name, () => start(present));
    if (runner !== null) runners.push(runner);
  }
  await eachRound(course, runners, options.rounds, async (runner, round) => {
    const sample = await measure(course.bench, runner.started, generate, jobFor(course, runner, options.seconds, null));
    runner.closed.push(sample);
    progress(`  round ${round}/${options.rounds} ${line(runner, sample)}`);
  });
  if (isPaced(course)) await pace(course, runners);
  for (const runner of runners.filter(({ failed }) => !failed)) {
    const { target, sessions } = runner;
    const sticks = await attempt(setting, target.proxy.name, async () => {
      await verifySessions(target, sessions);
      return true;
    });
    runner.failed = sticks === null;
  }
  const measured = runners.filter(({ failed }) => !failed);
  const proxies = measured.map(({ present, configuration, started, closed, paced, offered }) => {
    const memory = peakMemory(processTree(started.pid));
    return { name: present.kind.name, configuration, closed, paced, offered, peakMemory: memory };
  });
  return { kind: 'requests', case: what, load: what.demands.websocket ? 'websocket' : load, ceiling, proxies };
}

function generatorName({ options }: RunSetting, what: RequestCase): GeneratorName {
  // autocannon keeps its connections.
  if (what.handshakes) return 'wrk';
  const wanted = options.load ?? what.load;
  return wanted === 'wrk' && options.load === null && findProgram('wrk') === null ? 'autocannon' : wanted;
}

/** The part at a fixed rate needs connections that are kept. */
function isPaced({ setting: { options }, what }: Course): boolean {
  return options.rate !== null && !what.handshakes && !what.demands.websocket;
}

/** Calls `work` for each proxy in each round (from 1), in an order that turns; one that failed does not run again. */
async function eachRound(
  { setting }: Course,
  runners: readonly Runner[],
  rounds: number,
  work: (runner: Runner, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const runner of rotation(runners, round)) {
      if (runner.failed) continue;
      const done = await attempt(setting, runner.present.kind.name, async () => {
        await work(runner, round + 1);
        return true;
      });
      runner.failed = done === null;
    }
  }
}

/** At half of what each proxy reached; rounds are as long as those of the closed loop. */
async function pace(course: Course, runners: readonly Runner[]): Promise<void> {
  const { options, progress } = course.setting;
  await eachRound(course, runners, options.pacedRounds, async (runner, round) => {
    const capacity = spread(runner.closed.map((sample) => sample.rate)).median;
    runner.offered = options.rate === 'half' ? Math.max(1, Math.round(capacity / 2)) : options.rate;
    const job = jobFor(course, runner, options.seconds, runner.offered);
    const sample = await measure(course.bench, runner.started, pacedGenerator, job);
    runner.paced.push(sample);
    progress(`  fixed rate ${round}/${options.pacedRounds} ${line(runner, sample)}`);
  });
}

/** V8 compiles by the number of calls: so a busy machine, where fewer requests fit into a second, gets more seconds. */
async function warmUp(course: Course, runner: Runner): Promise<void> {
  const { options, progress } = course.setting;
  const job = jobFor(course, runner, options.warmup, null);
  let requests = 0;
  for (let turn = 0; turn < WARMUP_TURNS && requests < WARMUP_REQUESTS && options.warmup > 0; turn++) {
    requests += (await measure(course.bench, runner.started, course.generate, job)).requests;
  }
  const { kind, version } = runner.present;
  progress(`  ${kind.name} ${version}: ${runner.sessions.length} sessions stick, warmed up with ${requests} requests`);
}

/** What names the sessions of the load: those that were checked, or a sample of those that were made to be resident. */
async function marksFor(course: Course, contestant: Contestant): Promise<readonly HeaderLine[]> {
  const { setting, what, bench } = course;
  if (what.marks === 'none') return [];
  const { resident } = what.demands;
  if (resident === 0) return contestant.sessions.map(({ mark }) => mark).filter((mark) => mark !== null);
  const { kind } = contestant.present;
  const file = join(setting.directory, `${kind.name}-${what.name}.sessions`);
  const kept = Math.min(RESIDENT_SAMPLE, resident);
  const fill = workerGenerator('./fill-worker.ts', [file, kind.cookies.join(','), String(kept)]);
  const job = { ...jobFor(course, { ...contestant, marks: [] }, 0, resident), path: LOGIN_PATH };
  setting.progress(`  ${kind.name}: beginning ${resident} sessions`);
  const { requests, errors, non2xx, seconds } = await fill(setting.processes, bench.prefix, job, () => {});
  if (errors + non2xx > 0 || requests < resident)
    throw new BenchError(
      `${kind.name}: ${requests} of ${resident} sessions were begun, ${errors} errors, ${non2xx} refused`,
    );
  setting.progress(`  ${kind.name}: ${resident} sessions begun in ${seconds.toFixed(0)} s`);
  const lines = (await readFile(file, 'latin1')).trimEnd().split('\n');
  return lines.map((text): HeaderLine => ['Cookie', text.slice('Cookie: '.length)]);
}

function jobFor(
  { setting: { options }, what }: Course,
  { target, marks }: Pick<Runner, 'target' | 'marks'>,
  seconds: number,
  rate: number | null,
): LoadJob {
  return {
    port: target.port,
    connections: options.connections,
    seconds,
    method: what.uploadBytes > 0 ? 'POST' : 'GET',
    path: what.marks === 'none' ? LOGIN_PATH : '/',
    marks,
    headers: what.headers,
    uploadBytes: what.uploadBytes,
    tls: what.demands.tls,
    close: what.handshakes,
    rate,
  };
}

async function ceilingOf(course: Course): Promise<number> {
  const { bench, generate, setting } = course;
  const target = { port: bench.backends.list[0]!.port } as Runner['target'];
  const seconds = Math.min(2, setting.options.seconds);
  const job = { ...jobFor(course, { target, marks: [] }, seconds, null), tls: false, close: false };
  const result = await generate(bench.processes, bench.prefix, job, () => {});
  return result.requests / result.seconds;
}

function line({ present }: Runner, { total, rate, cores, p50, p99, kept, problem }: Sample): string {
  const figures = `${total.toFixed(1)} µs CPU, ${rate.toFixed(0)}/s with ${cores.toFixed(2)} cores, p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)} ms${kept === undefined ? '' : ` of ${(kept * 100).toFixed(0)} %`}`;
  return `${present.kind.name}: ${figures}${problem === null ? '' : `, INVALID: ${problem}`}`;
}
