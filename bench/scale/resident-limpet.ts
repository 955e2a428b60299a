import { existsSync, linkSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import type { Backend } from '../backends.ts';
import { BenchError } from '../bench-error.ts';
import { residentMemory } from '../cpu.ts';
import { freePorts } from '../free-ports.ts';
import { assertRunning, type Processes, type Started } from '../processes.ts';
import { OWN_ROOT } from '../proxies/limpet.ts';

/** The pool whose sessions are measured. */
export const POOL = 'bench';

/** Which limpet to start. */
export interface ResidentSetting {
  readonly name: string;
  /** An empty folder of its own. */
  readonly directory: string;
  readonly backends: readonly Backend[];
  readonly secretFile: string;
  readonly workers: number;
  readonly max: number;
  /** To start with, on the same disk as the folder; it stays as it is. Null: none. */
  readonly snapshot: string | null;
}

/** The longest turns of the event loop of a thread, see loop-delay.ts. */
export interface LoopTurns {
  readonly thread: string;
  /**
   * `at`: end of the tenth of a second, ms since epoch; `own`: the most CPU time and waiting for locks of a turn in it,
   * ms.
   */
  readonly turns: readonly {
    readonly at: number;
    readonly ms: number;
    readonly own: number;
  }[];
}

/** A snapshot that was written: times in ms since epoch. */
export interface Write {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
  readonly bytes: number;
}

interface LogLine {
  readonly time: string;
  readonly msg: string;
  readonly ms?: number;
  readonly rows?: number;
  readonly bytes?: number;
}

/** How often limpet writes its snapshot, ms: EVERY in src/sessions/persistence/snapshot-keeper.ts. */
export const WRITE_EVERY = 30_000;
/** Rows that are loaded in a second at the least; a start that takes longer has failed. */
const LEAST_LOADED = 20_000;

/** Writes a configuration, of which the pool and the secret matter to `fill`, the rest to limpet. */
export function writeConfig(setting: ResidentSetting, port: number, admin: number): string {
  const { directory, backends, secretFile, workers, max } = setting;
  const file = join(directory, 'limpet.yaml');
  writeFileSync(
    file,
    `listeners: [{ bind: "127.0.0.1:${port}" }]
pools:
  ${POOL}:
    balance: round-robin
    backends:
${backends.map(({ id, port }) => `      - { id: ${id}, url: "http://127.0.0.1:${port}" }`).join('\n')}
    session: { idle: 12h }
sessions: { max: ${max}, secretFile: "${secretFile}", snapshot: "${join(directory, 'rows')}" }
admin: { bind: "127.0.0.1:${admin}" }
log: { level: debug, access: false }
workers: ${workers}
shutdown: { grace: 1s }
`,
  );
  return file;
}

/** A built limpet that runs, with the sessions of a snapshot. No snapshot is written until `allowWrites`. */
export class ResidentLimpet {
  readonly name: string;
  readonly port: number;
  readonly writes: Write[] = [];
  /** From its spawn until it took traffic, ms. */
  readyMs = 0;
  /** Of this for reading the rows into the table, as limpet says. */
  loadMs = 0;
  /** Bytes that were resident right after. */
  resident = 0;
  readonly #admin: number;
  readonly #started: Started;
  readonly #processes: Processes;
  readonly #blocked: string;
  #readyAt = 0;
  #writesAllowed = false;

  private constructor(processes: Processes, started: Started, setting: ResidentSetting, ports: readonly number[]) {
    this.name = setting.name;
    this.port = ports[0]!;
    this.#admin = ports[1]!;
    this.#processes = processes;
    this.#started = started;
    // What limpet would write to at first: as a folder it makes every write fail at once, with one line in the log.
    this.#blocked = join(setting.directory, `rows.${started.pid}.tmp`);
    mkdirSync(this.#blocked);
    createInterface({ input: started.child.stdout! }).on('line', (line) => this.#read(line));
  }

  /** Starts it, and waits until it takes traffic, which is after the last session has been read. */
  static async start(processes: Processes, setting: ResidentSetting): Promise<ResidentLimpet> {
    const { directory, snapshot, name, max } = setting;
    mkdirSync(directory);
    if (snapshot !== null) linkSync(snapshot, join(directory, 'rows'));
    const ports = await freePorts(2);
    const config = writeConfig(setting, ports[0]!, ports[1]!);
    const probe = new URL('./loop-delay.ts', import.meta.url).href;
    const command = [process.execPath, '--import', probe, join(OWN_ROOT, 'bin/limpet.js'), 'start', '-c', config];
    const begin = Date.now();
    const limpet = new ResidentLimpet(
      processes,
      await processes.start(`limpet (${name})`, command, { ipc: true }),
      setting,
      ports,
    );
    const seconds = 30 + max / LEAST_LOADED;
    while (limpet.#readyAt === 0) {
      assertRunning(limpet.#started);
      if (Date.now() > begin + seconds * 1000)
        throw new BenchError(`${name} does not take traffic after ${seconds} s: ${limpet.#started.output()}`);
      await delay(20);
    }
    limpet.readyMs = limpet.#readyAt - begin;
    await delay(1000);
    limpet.resident = limpet.memory();
    return limpet;
  }

  #read(line: string): void {
    if (!line.startsWith('{')) return;
    const { time, msg, ms = 0, rows = 0, bytes = 0 } = JSON.parse(line) as LogLine;
    const to = Date.parse(time);
    if (msg === 'limpet takes traffic') this.#readyAt = to;
    if (msg === 'sessions read from the snapshot') this.loadMs = ms;
    if (msg === 'snapshot written') this.writes.push({ from: to - ms, to, rows, bytes });
  }

  /** From now on a snapshot is written every WRITE_EVERY if there were requests. */
  allowWrites(): void {
    rmdirSync(this.#blocked);
    this.#writesAllowed = true;
  }

  /** Resolves when it has written a snapshot: there have to have been requests. */
  async firstWrite(): Promise<void> {
    const deadline = Date.now() + 2 * WRITE_EVERY;
    while (this.writes.length === 0) {
      if (Date.now() > deadline) throw new BenchError(`${this.name} writes no snapshot`);
      await delay(50);
      await this.written();
    }
  }

  /**
   * When the next snapshot after `time` is due, ms since epoch, by the last one: the timer of a process that was
   * stopped for a while has shifted.
   */
  nextWrite(time: number): number {
    return time + WRITE_EVERY - ((time - this.writes.at(-1)!.from) % WRITE_EVERY);
  }

  /** Resolves when no snapshot is being written. */
  async written(): Promise<void> {
    while (existsSync(this.#blocked)) await delay(50);
    // Its line in the log.
    await delay(500);
    assertRunning(this.#started);
  }

  /** Resident memory now, bytes. */
  memory(): number {
    return residentMemory([this.#started.pid]);
  }

  /** Sessions that it counts. */
  async sessions(): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#admin}/metrics`)).text();
    const value = new RegExp(`^limpet_sessions\\{[^}]*pool="${POOL}"[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1];
    if (value === undefined) throw new BenchError(`${this.name} tells no number of sessions in /metrics`);
    return Number(value);
  }

  /** Notes how long its event loops turn until `turns` is called. */
  watch(): void {
    this.#started.child.send('watch');
  }

  /** The longest turns since `watch`: of the supervisor and each worker. */
  async turns(workers: number): Promise<readonly LoopTurns[]> {
    const all: LoopTurns[] = [];
    const take = (turns: LoopTurns): void => void all.push(turns);
    const { child } = this.#started;
    child.on('message', take);
    child.send('turns');
    for (let waited = 0; all.length < workers + 1; waited += 20) {
      assertRunning(this.#started);
      if (waited > 10_000) throw new BenchError(`${this.name}: only ${all.length} threads tell of their event loop`);
      await delay(20);
    }
    child.off('message', take);
    return all;
  }

  /** Stops the process until `resume`: so that it does nothing while another is measured. */
  freeze(): void {
    this.#started.child.kill('SIGSTOP');
  }

  async resume(): Promise<void> {
    this.#started.child.kill('SIGCONT');
    await delay(500);
  }

  async stop(): Promise<void> {
    // No last snapshot: nobody wants it.
    if (this.#writesAllowed) {
      await this.written();
      mkdirSync(this.#blocked);
    }
    this.#started.child.kill('SIGCONT');
    await this.#processes.stop(this.#started);
  }
}
