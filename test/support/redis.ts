import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { findRedisServer, REDIS_MISSING } from './redis-binary.ts';

/** A real redis-server on a free port of the loopback address, which keeps nothing on disk. */
export class RedisServer {
  readonly port: number;
  readonly #directory: string;
  readonly #options: readonly string[];
  #child: ChildProcess | null = null;
  #client: Redis | null = null;

  private constructor(port: number, directory: string, options: readonly string[]) {
    this.port = port;
    this.#directory = directory;
    this.#options = options;
  }

  /** @param options as on its command line, such as `--requirepass secret` */
  static async start(options: readonly string[] = []): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'limpet-redis-'));
    const server = new RedisServer(await freePort(), directory, options);
    await server.start();
    return server;
  }

  /** A Sentinel that watches the master at `master` under the name mymaster. */
  static async startSentinel(master: number): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'limpet-redis-'));
    const file = join(directory, 'sentinel.conf');
    const lines = [
      `sentinel monitor mymaster 127.0.0.1 ${master} 2`,
      'sentinel down-after-milliseconds mymaster 500',
      'sentinel failover-timeout mymaster 3000',
    ];
    await writeFile(file, lines.join('\n'));
    const server = new RedisServer(await freePort(), directory, [file, '--sentinel']);
    await server.start();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}/0`;
  }

  get directory(): string {
    return this.#directory;
  }

  /** A client for what a test wants to know or do. It waits until the server is back. */
  get client(): Redis {
    const password = this.#options[this.#options.indexOf('--requirepass') + 1];
    this.#client ??= new Redis({
      port: this.port,
      host: '127.0.0.1',
      retryStrategy: () => 20,
      ...(this.#options.includes('--requirepass') && password !== undefined ? { password } : {}),
    }).on('error', () => {});
    return this.#client;
  }

  /** Starts it, the second time on the port of the first, and empty. */
  async start(): Promise<void> {
    const program = findRedisServer();
    if (program === null) throw new Error(REDIS_MISSING);
    const sentinel = this.#options.includes('--sentinel');
    const storage = sentinel ? [] : ['--save', '', '--appendonly', 'no', '--repl-diskless-sync-delay', '0'];
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#directory, ...storage];
    // A file of options comes first.
    const args = sentinel ? [this.#options[0]!, ...own, '--sentinel'] : [...own, ...this.#options];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    let output = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    await eventually(
      'redis-server to take connections',
      () => {
        if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}: ${output}`);
        return /Ready to accept connections|Sentinel ID is/.test(output);
      },
      30_000,
    );
    output = '';
  }

  /** SIGKILL, and waits until it is gone. What it held is lost. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends it and removes its directory. */
  async stop(): Promise<void> {
    this.#client?.disconnect();
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
