import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { installation } from '../installation.ts';
import { findFreePort } from './demo-ports.ts';
import type { ShopMessage } from './shop-main.ts';

/** One shop server of the demo; `pid` is that of the process that runs now, or ran last. */
export interface FleetServer {
  readonly id: string;
  readonly port: number;
  readonly pid: number;
  /** Who holds copies of its sessions; null: there is only one server. */
  readonly replica: string | null;
}

/** What happens to the servers after the start. */
export type FleetEvent =
  | { readonly type: 'died'; readonly server: FleetServer; readonly how: string; readonly restartMs: number }
  | { readonly type: 'back'; readonly server: FleetServer }
  | {
      readonly type: 'cannot-start';
      readonly server: FleetServer;
      readonly message: string;
      readonly restartMs: number;
    };

interface FleetOptions {
  /** Their ids; each copies to the next one, the last to the first. */
  readonly ids: readonly string[];
  /** Of the first one; a taken port is passed over. 0: any free ports. */
  readonly firstPort: number;
  /** Ports that something else is about to use. */
  readonly avoid: ReadonlySet<number>;
  /** ms after which a server that died is started again. */
  readonly restartMs: number;
  readonly onEvent: (event: FleetEvent) => void;
}

/** The running shop servers. */
export interface Fleet {
  readonly servers: readonly FleetServer[];
  /** Ends all of them; resolves when none is left. */
  stop(): Promise<void>;
}

interface Member {
  server: FleetServer;
  readonly args: readonly string[];
  child: ChildProcess | null;
  timer: NodeJS.Timeout | null;
}

const HOST = '127.0.0.1';
const START_TRIES = 3;
const STOP_MS = 1500;
const MAIN = fileURLToPath(installation.entry('demo/shop-main'));

/**
 * Starts the shop servers, each in a process of its own. Rejects, with none of them left, when one cannot be started.
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  for (let tries = 1; ; tries++) {
    const fleet = new ShopFleet(options, await planPorts(options));
    try {
      await fleet.start();
      return fleet;
    } catch (error) {
      await fleet.stop();
      // Another program took a port between the look and the start: look again.
      if (!(error instanceof PortTaken) || tries === START_TRIES) throw error;
    }
  }
}

async function planPorts({ ids, firstPort, avoid }: FleetOptions): Promise<number[]> {
  const taken = new Set(avoid);
  const ports: number[] = [];
  for (const index of ids.keys()) ports.push(await findFreePort(HOST, firstPort === 0 ? 0 : firstPort + index, taken));
  return ports;
}

class PortTaken extends Error {}

class ShopFleet implements Fleet {
  readonly #options: FleetOptions;
  readonly #members: Member[];
  /** Known to these processes only: what carries it is not a visitor's. */
  readonly #secret = randomBytes(32).toString('base64url');
  #stopping = false;

  constructor(options: FleetOptions, ports: readonly number[]) {
    this.#options = options;
    const { ids } = options;
    const peers = ids.map((id, index) => `${id}=http://${HOST}:${ports[index]}`);
    this.#members = ids.map((id, index) => {
      const port = ports[index] ?? 0;
      const next = (index + 1) % ids.length;
      const replica = next === index ? null : (ids[next] ?? null);
      const args = ['--id', id, '--host', HOST, '--port', String(port)];
      if (replica !== null) args.push('--replica', peers[next] ?? '');
      for (const [other, peer] of peers.entries()) if (other !== index && other !== next) args.push('--peer', peer);
      return { server: { id, port, pid: 0, replica }, args, child: null, timer: null };
    });
  }

  get servers(): readonly FleetServer[] {
    return this.#members.map((member) => member.server);
  }

  async start(): Promise<void> {
    await Promise.all(this.#members.map((member) => this.#launch(member)));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#members.map((member) => end(member)));
  }

  /** Starts one server; resolves when it listens. */
  #launch(member: Member): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = fork(MAIN, member.args, {
        execPath: process.execPath,
        execArgv: [],
        env: { ...process.env, SHOP_SECRET: this.#secret },
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      member.child = child;
      let isReady = false;
      let why = '';
      child.on('error', (error) => reject(error));
      child.on('message', (message: ShopMessage) => {
        if (message.type === 'ready') {
          isReady = true;
          member.server = { ...member.server, pid: child.pid ?? 0 };
          resolve();
        } else {
          why = message.message;
          if (message.code === 'EADDRINUSE') reject(new PortTaken(why));
        }
      });
      child.on('exit', (code, signal) => {
        member.child = null;
        const how = signal ?? `exit status ${code}`;
        if (isReady) this.#died(member, how);
        else reject(new Error(`Shop server ${member.server.id} did not start: ${why || how}.`));
      });
    });
  }

  #died(member: Member, how: string): void {
    if (this.#stopping) return;
    const { restartMs, onEvent } = this.#options;
    onEvent({ type: 'died', server: member.server, how, restartMs });
    this.#restartLater(member);
  }

  #restartLater(member: Member): void {
    const { restartMs, onEvent } = this.#options;
    member.timer = setTimeout(async () => {
      member.timer = null;
      try {
        await this.#launch(member);
        if (!this.#stopping) onEvent({ type: 'back', server: member.server });
      } catch (error) {
        if (this.#stopping) return;
        const message = error instanceof Error ? error.message : String(error);
        onEvent({ type: 'cannot-start', server: member.server, message, restartMs });
        this.#restartLater(member);
      }
    }, restartMs);
  }
}

/** Ends the process of a member: asks it, and after a while makes it (one that is stopped with SIGSTOP cannot hear). */
function end(member: Member): Promise<void> {
  if (member.timer !== null) clearTimeout(member.timer);
  const { child } = member;
  if (child === null || child.pid === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    child.once('exit', () => {
      clearTimeout(force);
      resolve();
    });
    child.kill('SIGTERM');
  });
}
