import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { attempt } from './attempt.ts';
import { startBackends } from './backends.ts';
import { BenchError } from './bench-error.ts';
import type { FailoverCase } from './cases/case.ts';
import { enter } from './contestant.ts';
import type { FailoverJob, FailoverTold } from './load/failover-worker.ts';
import type { CaseReport, FailoverMeasured, FailoverRun } from './report/report.ts';
import { rotation } from './rotation.ts';
import type { Present, RunSetting } from './setting.ts';

/** Backends answer after so long, ms: when one dies, a good part of the clients wait for it. */
const DELAY_MS = 5;
/** Load before the kill and after it, ms. */
const BEFORE_MS = 1000;
const AFTER_MS = 4000;

/** Kills one of three backends under load, for each proxy in each round with everything started anew. */
export async function runFailover(
  setting: RunSetting,
  what: FailoverCase,
  presents: readonly Present[],
): Promise<Omit<Extract<CaseReport, { kind: 'failover' }>, 'leftOut'>> {
  const { options, progress } = setting;
  const results = presents.map(() => ({ configuration: '', runs: [] as FailoverRun[] }));
  for (let round = 0; round < options.failoverRounds; round++) {
    for (const index of rotation([...presents.keys()], round)) {
      const present = presents[index]!;
      const outcome = await attempt(setting, present.kind.name, () => failOver(setting, what, present));
      if (outcome === null) continue;
      const { configuration, run } = outcome;
      results[index]!.configuration = configuration;
      results[index]!.runs.push(run);
      const { errors, moved, sessions, lastMs } = run;
      progress(
        `  round ${round + 1}/${options.failoverRounds} ${present.kind.name}: ${errors} errors, ${moved} of ${sessions} sessions moved, the last after ${lastMs.toFixed(0)} ms`,
      );
    }
  }
  const proxies = presents
    .map(({ kind }, index): FailoverMeasured => ({ name: kind.name, ...results[index]! }))
    .filter(({ runs }) => runs.length > 0);
  return { kind: 'failover', case: what, proxies };
}

async function failOver(
  setting: RunSetting,
  what: FailoverCase,
  present: Present,
): Promise<{ configuration: string; run: FailoverRun }> {
  const { options, processes, pins, directory } = setting;
  const list = await Promise.all(
    ['a', 'b', 'c'].map((id) =>
      startBackends(processes, { bodyBytes: 60, delay: DELAY_MS, ids: [id], prefix: pins.rest }),
    ),
  );
  const contestant = await enter(setting, {
    present,
    backends: list.flatMap((backends) => backends.list),
    bodyBytes: 60,
    demands: what.demands,
    connections: options.connections,
    tls: null,
    tokenSecret: '',
    redisUrl: null,
    marks: null,
  });
  const victim = list[1]!;
  const sessions = contestant.sessions.flatMap(({ mark, backend }) => (mark === null ? [] : [{ mark, backend }]));
  const job: FailoverJob = {
    port: contestant.target.port,
    connections: options.connections,
    sessions,
    victim: victim.list[0]!.id,
    afterMs: AFTER_MS,
  };
  const file = join(directory, 'failover-job.json');
  await writeFile(file, JSON.stringify(job));
  const script = fileURLToPath(new URL('./load/failover-worker.ts', import.meta.url));
  const load = await processes.start('the load', [...pins.rest, process.execPath, script, file], { ipc: true });
  await once(load.child, 'message');
  await delay(BEFORE_MS);
  const told = once(load.child, 'message') as Promise<[FailoverTold]>;
  const killedAt = performance.timeOrigin + performance.now();
  victim.process.child.kill('SIGKILL');
  load.child.send('killed');
  const ended = load.closed.then(() => {
    throw new BenchError(`the load ended early: ${load.output()}`);
  });
  ended.catch(() => {});
  const [seen] = await Promise.race([told, ended]);
  await Promise.all(
    [load, contestant.started, ...list.map(({ process }) => process)].map((one) => processes.stop(one)),
  );
  return { configuration: contestant.configuration, run: runOf(seen, killedAt) };
}

function runOf({ requests, errorKinds, longestMs, movedAt }: FailoverTold, killedAt: number): FailoverRun {
  const times = movedAt.filter((at) => at > 0).map((at) => Math.max(0, at - killedAt));
  return {
    requests,
    errors: Object.values(errorKinds).reduce((sum, count) => sum + count, 0),
    errorKinds,
    sessions: movedAt.length,
    moved: times.length,
    firstMs: times.length === 0 ? 0 : Math.min(...times),
    lastMs: times.length === 0 ? 0 : Math.max(...times),
    longestMs,
  };
}
