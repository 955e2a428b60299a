import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from './find-program.ts';

const run = promisify(execFile);

/** What podman and docker do alike, in a storage of its own where that can be had. */
export interface ContainerEngine {
  readonly name: string;
  /** Runs a command of the engine; what it printed. */
  run(args: readonly string[]): Promise<string>;
  /** What the command `build` needs besides the context. */
  readonly build: readonly string[];
  /** What the command `run` needs besides image and command. */
  readonly start: readonly string[];
}

const DEADLINE_MS = 400_000;

/**
 * An engine that can run this image's `node -v` here; else why none can.
 * @param tar of the image's file system
 * @param directory for what it keeps
 */
export async function findContainerEngine(
  tar: string,
  image: string,
  directory: string,
): Promise<ContainerEngine | string> {
  const why: string[] = [];
  for await (const engine of engines(directory)) {
    try {
      await engine.run(['import', '--change', 'ENV PATH=/usr/local/bin:/usr/bin:/bin', tar, image]);
      await engine.run(['run', '--rm', '--network', 'none', ...engine.start, image, '/usr/local/bin/node', '-v']);
      return engine;
    } catch (error) {
      why.push(`${engine.name}: ${String((error as { stderr?: string }).stderr ?? error).trim()}`);
    }
  }
  return `no container can run here: ${why.join('; ') || 'neither podman nor docker is installed'}`;
}

async function* engines(directory: string): AsyncGenerator<ContainerEngine> {
  const podman = findProgram(['podman'], 'PODMAN');
  // Not every engine may raise limits: these are the ones that this process has itself.
  const files = (await run('sh', ['-c', 'ulimit -Hn'])).stdout.trim();
  const start = files === 'unlimited' ? [] : ['--ulimit', `nofile=${files}:${files}`, '--ulimit', 'nproc=4096:4096'];
  if (podman !== null) {
    const folders = ['root', 'run', 'tmp'].map((name) => join(directory, name));
    await Promise.all(folders.map((folder) => mkdir(folder, { recursive: true })));
    const [root, runRoot, tmp] = folders as [string, string, string];
    const own = ['--root', root, '--runroot', runRoot, '--tmpdir', tmp, '--storage-driver', 'vfs'];
    for (const runtime of ['crun', 'runc']) {
      const options = [...own, '--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', runtime];
      yield {
        name: `podman with ${runtime}`,
        run: async (args) => (await run(podman, [...options, ...args], { timeout: DEADLINE_MS })).stdout,
        build: ['--isolation', 'chroot', '--network', 'host', '--format', 'docker', '--pull=never', '--layers=false'],
        start,
      };
    }
  }
  const docker = findProgram(['docker'], 'DOCKER');
  if (docker !== null) {
    yield {
      name: 'docker',
      run: async (args) => (await run(docker, [...args], { timeout: DEADLINE_MS })).stdout,
      build: ['--network', 'host'],
      start: [],
    };
  }
}
