import { fileURLToPath } from 'node:url';
import { BenchError } from './bench-error.ts';
import type { Case } from './cases/case.ts';
import { CASES } from './cases/registry.ts';
import { install, missingTools } from './install.ts';
import { generatorVersions } from './load/generators.ts';
import { findProgram, type Machine, machine } from './machine.ts';
import type { Options } from './options.ts';
import type { Processes } from './processes.ts';
import type { ProxyKind } from './proxies/proxy-kind.ts';
import { proxies as allProxies } from './proxies/registry.ts';
import type { CaseReport, Report } from './report/report.ts';
import { runFailover } from './run-failover.ts';
import { runIdle } from './run-idle.ts';
import { runRequests } from './run-requests.ts';
import type { Present, RunSetting } from './setting.ts';

/** What a run of the suite is given. */
export interface SuiteSetting {
  readonly options: Options;
  readonly command: string;
  readonly processes: Processes;
  /** A folder for temporary files. */
  readonly directory: string;
  readonly progress: (text: string) => void;
  /** Proxies to take instead of those that the options name. */
  readonly kinds?: readonly ProxyKind[];
  /** Called with all that is known so far when a case has ended, so that nothing is lost when a later one fails. */
  readonly onCase?: (report: Report) => void;
}

/** Runs all cases that were asked for, one after the other, each with all the proxies that can do it. */
export async function runSuite(suite: SuiteSetting): Promise<Report> {
  const { options, processes, directory, progress } = suite;
  const begun = performance.now();
  const facts = machine();
  const pins = pinning(options, facts, progress);
  const cases = CASES.filter(({ name }) => options.cases.includes(name));
  const { presents, leftOut } = await select(suite);
  const reports: CaseReport[] = [];
  const failed: { name: string; reason: string }[] = [];
  const tools = await generatorVersions();
  const report = (): Report => ({
    command: suite.command,
    date: new Date().toISOString(),
    seconds: Math.round((performance.now() - begun) / 1000),
    machine: facts,
    tools,
    options,
    pinned: pins.proxy.length > 0,
    proxies: presents.map(({ kind, version }) => ({ name: kind.name, version, setup: kind.setup })),
    leftOut,
    cases: reports,
    failed,
  });
  for (const [index, what] of cases.entries()) {
    const elapsed = Math.round((performance.now() - begun) / 1000);
    progress(`[${index + 1}/${cases.length}, ${elapsed} s] ${what.name}: ${what.title}`);
    const fail = (name: string, reason: string): void => {
      failed.push({ name: `${what.name}, ${name}`, reason });
      progress(`  ${name} FAILED: ${reason}`);
    };
    const setting: RunSetting = { options, processes, directory, progress, pins, fail };
    try {
      const one = await runCase(setting, what, presents);
      if (one !== null) reports.push(one);
    } catch (error) {
      // What was measured stays; the reason stands in the report. Anything but a known failure is a defect.
      if (!(error instanceof BenchError)) throw error;
      failed.push({ name: what.name, reason: error.message });
      progress(`  FAILED: ${error.message}`);
    } finally {
      await processes.stopAll();
    }
    suite.onCase?.(report());
  }
  return report();
}

async function runCase(setting: RunSetting, what: Case, presents: readonly Present[]): Promise<CaseReport | null> {
  const meant = presents.filter(({ kind }) => what.only === undefined || what.only.some((name) => name === kind.name));
  const able = meant.filter(({ kind }) => kind.cannot(what.demands) === null);
  const leftOut = meant.flatMap(({ kind }) => {
    const reason = kind.cannot(what.demands);
    return reason === null ? [] : [{ name: kind.name, reason }];
  });
  for (const { name, reason } of leftOut) setting.progress(`  ${name} left out: ${reason}`);
  if (able.length === 0) {
    setting.progress('  none of the proxies takes part');
    return null;
  }
  switch (what.kind) {
    case 'requests':
      return { ...(await runRequests(setting, what, able)), leftOut };
    case 'idle':
      return { ...(await runIdle(setting, what, able)), leftOut };
    case 'failover':
      return { ...(await runFailover(setting, what, able)), leftOut };
  }
}

/** The proxies that are here; what is missing is installed where that is allowed, or else left out with the reason. */
async function select({ options, processes, progress, kinds }: SuiteSetting) {
  const all = allProxies(options.source);
  const wanted = kinds ?? options.proxies.map((name) => all[name]);
  if (kinds === undefined && options.proxies.includes('limpet') && !options.source) await build(processes, progress);
  if (options.install) await installMissing(wanted, options, progress);
  const presents: Present[] = [];
  const leftOut: { name: string; reason: string }[] = [];
  for (const kind of wanted) {
    const found = await kind.find();
    if ('version' in found) presents.push({ kind, version: found.version });
    else {
      leftOut.push({ name: kind.name, reason: found.missing });
      progress(`${kind.name} LEFT OUT: ${found.missing}`);
    }
  }
  if (presents.length === 0) throw new BenchError('none of the proxies is here');
  return { presents, leftOut };
}

async function installMissing(wanted: readonly ProxyKind[], options: Options, progress: (text: string) => void) {
  const found = await Promise.all(wanted.map((kind) => kind.find()));
  const proxies = found.flatMap((one) => ('missing' in one && one.debian !== undefined ? [one.debian] : []));
  const tools = missingTools().filter((tool) => tool !== 'redis-server' || options.cases.includes('redis'));
  install([...proxies, ...tools], progress);
}

async function build(processes: Processes, progress: (text: string) => void): Promise<void> {
  progress('building limpet');
  const root = fileURLToPath(new URL('..', import.meta.url));
  const started = await processes.start('the build', ['npm', 'run', '--silent', '--prefix', root, 'build']);
  await started.closed;
  if (started.child.exitCode === 0) return;
  throw new BenchError(`limpet does not build (--source runs it without a build):\n${started.output()}`);
}

/**
 * The proxy alone on the first core, all the rest on the others; without taskset or with one core, nothing is pinned.
 */
function pinning({ pin }: Options, { cores }: Machine, progress: (text: string) => void): RunSetting['pins'] {
  const none = { proxy: [], rest: [] };
  if (!pin) return none;
  const why = cores < 2 ? 'there is one core' : findProgram('taskset') === null ? 'taskset is not installed' : null;
  if (why !== null) {
    progress(`nothing is pinned: ${why}`);
    return none;
  }
  return { proxy: ['taskset', '-c', '0'], rest: ['taskset', '-c', cores === 2 ? '1' : `1-${cores - 1}`] };
}
