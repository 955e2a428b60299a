import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { attempt } from './attempt.ts';
import { startBackends } from './backends.ts';
import { BenchError } from './bench-error.ts';
import type { IdleCase } from './cases/case.ts';
import { type Contestant, enter } from './contestant.ts';
import { processTree, residentMemory } from './cpu.ts';
import { assertRunning } from './processes.ts';
import type { CaseReport, IdleMeasured } from './report/report.ts';
import { rotation } from './rotation.ts';
import type { Present, RunSetting } from './setting.ts';

/** A proxy that has just started grows with any connection: these come and go before memory is read. */
const SETTLING_CONNECTIONS = 500;
/** Rounds of this case at most: each starts every proxy anew, because memory that was once used is not given back. */
const MOST_ROUNDS = 3;
/** Memory is read when it has not changed for so long, ms. */
const QUIET_MS = 500;

/** Opens many connections through each proxy, one request on each, and sees by how much its memory grew. */
export async function runIdle(
  setting: RunSetting,
  what: IdleCase,
  presents: readonly Present[],
): Promise<Omit<Extract<CaseReport, { kind: 'idle' }>, 'leftOut'>> {
  const { options, processes, pins, progress } = setting;
  const results = presents.map(() => ({ configuration: '', bytesEach: [] as number[], connections: options.idle }));
  const backends = await startBackends(processes, { bodyBytes: 60, prefix: pins.rest });
  const rounds = Math.min(MOST_ROUNDS, options.rounds);
  for (let round = 0; round < rounds; round++) {
    for (const index of rotation([...presents.keys()], round)) {
      const present = presents[index]!;
      const name = present.kind.name;
      const seen = await attempt(setting, name, async () => {
        const contestant = await enter(setting, {
          present,
          backends: backends.list,
          bodyBytes: 60,
          demands: what.demands,
          connections: options.idle + SETTLING_CONNECTIONS,
          tls: null,
          tokenSecret: '',
          redisUrl: null,
          marks: null,
        });
        results[index]!.configuration = contestant.configuration;
        return grown(setting, contestant);
      });
      if (seen === null) continue;
      const { bytes, open: kept } = seen;
      results[index]!.connections = Math.min(results[index]!.connections, kept);
      results[index]!.bytesEach.push(bytes);
      progress(`  round ${round + 1}/${rounds} ${name}: ${Math.round(bytes)} bytes each of ${kept}`);
    }
  }
  const proxies = presents
    .map(({ kind }, index): IdleMeasured => ({ name: kind.name, ...results[index]! }))
    .filter(({ bytesEach }) => bytesEach.length > 0);
  return { kind: 'idle', case: what, proxies };
}

/** By how many bytes the proxy's memory grew for each of the idle connections; the proxy is stopped then. */
async function grown(setting: RunSetting, { started, target }: Contestant): Promise<{ bytes: number; open: number }> {
  const { options, processes } = setting;
  const settling = await open(setting, target.port, SETTLING_CONNECTIONS);
  await processes.stop(settling.started);
  const before = await settled(started.pid);
  const holder = await open(setting, target.port, options.idle);
  const after = await settled(started.pid);
  assertRunning(started);
  await processes.stop(holder.started);
  await processes.stop(started);
  return { bytes: (after - before) / holder.open, open: holder.open };
}

/**
 * Opens `count` connections in a process of their own; `open` is less where the proxy takes no more (limit of open
 * files).
 */
async function open({ processes, pins }: RunSetting, port: number, count: number) {
  const script = fileURLToPath(new URL('./load/idle-worker.ts', import.meta.url));
  const command = [...pins.rest, process.execPath, script, String(port), String(count)];
  const started = await processes.start('the idle connections', command, { ipc: true });
  const [told] = (await Promise.race([once(started.child, 'message'), started.closed.then(() => [{ open: 0 }])])) as [
    { open: number },
  ];
  assertRunning(started);
  if (told.open < count / 2) throw new BenchError(`only ${told.open} of ${count} connections were kept open`);
  return { started, open: told.open };
}

/** Resident bytes of a process tree when they have stopped changing; waits for at most ten times QUIET_MS. */
async function settled(pid: number): Promise<number> {
  let bytes = residentMemory(processTree(pid));
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const now = residentMemory(processTree(pid));
    if (Math.abs(now - bytes) < 64 * 1024) return now;
    bytes = now;
  }
  return bytes;
}
