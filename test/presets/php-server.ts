import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const APP = fileURLToPath(new URL('./php-app/', import.meta.url));

/** PHP's built-in web server with sessions in files of its own directory. */
export class PhpServer {
  readonly id: string;
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #directory: string;

  private constructor(id: string, url: string, child: ChildProcess, directory: string) {
    this.id = id;
    this.url = url;
    this.#child = child;
    this.#directory = directory;
  }

  /** @param php file of the program */
  static async start(php: string, id: string): Promise<PhpServer> {
    const directory = await mkdtemp(join(tmpdir(), 'limpet-php-'));
    const settings = ['session.save_handler=files', `session.save_path=${directory}`, 'session.use_strict_mode=1'];
    const args = ['-n', ...settings.flatMap((setting) => ['-d', setting]), '-S', '127.0.0.1:0', '-t', APP];
    const child = spawn(php, [...args, join(APP, 'index.php')], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, SERVER_ID: id, PHP_CLI_SERVER_WORKERS: '1' },
    });
    child.stderr!.setEncoding('utf8');
    let said = '';
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    child.stderr!.on('data', (text: string) => {
      if (said.length > 10_000) return;
      said += text;
      const address = /Development Server \((http:\/\/[\d.:]+)\) started/.exec(said);
      if (address !== null) resolve(address[1]!);
    });
    child.once('exit', () => reject(new Error(`php ended before it listened: ${said}`)));
    child.once('error', reject);
    return new PhpServer(id, await promise, child, directory);
  }

  /** SIGKILL; its sessions go with it. */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
    await rm(this.#directory, { recursive: true, force: true });
  }
}
