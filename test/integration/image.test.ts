/**
 * The Docker image: built and run where containers can run, on a base made of this machine; its steps one by one
 * everywhere.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type ContainerEngine, findContainerEngine } from '../support/container-engine.ts';
import { type DockerStage, readDockerfile } from '../support/dockerfile.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { LONG } from '../support/long.ts';
import { makeStandInBase } from '../support/stand-in-base.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const run = promisify(execFile);
const dockerfile = await readFile(join(ROOT, 'Dockerfile'), 'utf8');
const stages = readDockerfile(dockerfile);
const final = stages.at(-1)!;

function last(stage: DockerStage, instruction: string): string {
  return stage.steps.findLast((step) => step.instruction === instruction)?.arguments ?? '';
}

async function temporary(t: { after(work: () => Promise<void>): void }): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'limpet-image-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

test('B1: what the image copies is in the repository and not ignored, and it runs as a user without rights', async () => {
  const ignored = (await readFile(join(ROOT, '.dockerignore'), 'utf8')).trim().split('\n');
  for (const { steps } of stages) {
    for (const { instruction, arguments: text } of steps) {
      if (instruction !== 'COPY' || text.startsWith('--from')) continue;
      for (const source of text.split(/\s+/).slice(0, -1)) {
        assert.ok(existsSync(join(ROOT, source)), `${source} is not in the repository`);
        assert.ok(!ignored.includes(source), `${source} stands in .dockerignore`);
      }
    }
  }
  assert.equal(last(final, 'USER'), 'node');
});

test('B1: the steps of the image, done one by one below a directory, give a limpet that starts, is healthy and stops', async (t) => {
  const root = await temporary(t);
  const below = (text: string): string => text.replaceAll(/(?<=^|[\s"])\/(?=limpet|etc|usr|var)/g, `${root}/`);
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };
  await mkdir(join(root, 'usr/local/bin'), { recursive: true });
  let directory = root;
  for (const { instruction, arguments: text } of final.steps) {
    if (instruction === 'WORKDIR') {
      directory = below(text);
      await mkdir(directory, { recursive: true });
    } else if (instruction === 'COPY') {
      const parts = text.split(/\s+/).filter((part) => !part.startsWith('--'));
      for (const source of parts.slice(0, -1)) {
        // What the build stage made is here already.
        const from = join(ROOT, source.replace(/^\/limpet\//, ''));
        const to = parts.at(-1) === './' ? join(directory, source.split('/').at(-1)!) : join(directory, parts.at(-1)!);
        if (from.endsWith('node_modules')) await symlink(from, to);
        else await cp(from, to, { recursive: true });
      }
    } else if (instruction === 'RUN') {
      // The user of that name is the base image's.
      const { uid, gid } = { uid: process.getuid!(), gid: process.getgid!() };
      await run('sh', ['-euc', below(text).replaceAll('node:node', `${uid}:${gid}`)], { cwd: directory, env });
    }
  }
  const command = (name: string): string[] => JSON.parse(below(last(final, name).replace(/^.*?\[/, '['))) as string[];
  const [program] = command('ENTRYPOINT') as [string];
  const ports = [await freePort(), await freePort()] as const;
  const config = command('CMD').at(-1)!;
  const written = await readFile(config, 'utf8');
  assert.match(written, /127\.0\.0\.1:9900/);
  await writeFile(config, written.replace('0.0.0.0:8080', `0.0.0.0:${ports[0]}`));
  const child = spawn(join(root, 'usr/local/bin', program), command('CMD'), {
    cwd: directory,
    env: { ...env, LIMPET_ADMIN: `127.0.0.1:${ports[1]}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  t.after(() => child.kill('SIGKILL'));
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  await eventually('limpet to take traffic', () => log.includes('limpet takes traffic'), 30_000);
  const [check, ...args] = command('HEALTHCHECK') as [string, ...string[]];
  const healthy = (): Promise<number> =>
    run(check, args, { env: { ...env, LIMPET_ADMIN: `127.0.0.1:${ports[1]}` } }).then(
      () => 0,
      ({ code }: { code: number }) => code,
    );
  assert.equal(await healthy(), 0);
  child.kill('SIGTERM');
  assert.deepEqual(await ended, [0, null]);
  assert.equal(await healthy(), 1, 'healthy, and it has ended');
});

const onStandIn =
  'B1: the image on a stand-in base starts as it is, is healthy, serves a mounted file, and stops in a second';
// A minute of CPU.
(LONG ? test : ignore)(onStandIn, { timeout: 600_000 }, async (t) => {
  const cleanUp: (() => Promise<unknown>)[] = [];
  t.after(async () => {
    for (const work of cleanUp) await work().catch(() => {});
  });
  const directory = await temporary(t);
  const tar = join(directory, 'base.tar');
  const base = join(directory, 'base');
  await makeStandInBase(base);
  await run('tar', ['-C', base, '-cf', tar, '.']);
  await rm(base, { recursive: true });
  const name = `limpet-test-${process.pid}`;
  const standIn = `localhost/${name}-base`;
  const engine = await findContainerEngine(tar, standIn, join(directory, 'engine'));
  if (typeof engine === 'string') return t.skip(engine);
  const image = `localhost/${name}`;
  // What is still there ends before the directory goes in which the engine keeps it.
  cleanUp.push(
    () => engine.run(['rm', '-f', `${name}-a`, `${name}-b`]),
    () => engine.run(['rmi', '-f', image, standIn]),
  );
  await build(engine, image, standIn, directory);

  // As it is: a network of its own, in which nobody is.
  await engine.run(['run', '-d', '--name', `${name}-a`, '--network', 'none', ...engine.start, image]);
  const inside = (code: string): Promise<string> => engine.run(['exec', `${name}-a`, 'node', '-e', code]);
  await eventually('the image to be healthy', () => isHealthy(engine, `${name}-a`), 60_000);
  assert.match(
    await inside("fetch('http://127.0.0.1:8080/').then((r) => console.log(r.headers.get('limpet-error')))"),
    /^[A-Z_]+\n/,
  );
  assert.match(await engine.run(['exec', `${name}-a`, 'limpet', 'backends']), /app\/a/);
  await engine.run(['rm', '-f', `${name}-a`]);

  // With a file.
  const backend = new HttpBackend('a');
  await backend.start();
  cleanUp.unshift(() => backend.stop());
  const [port, admin] = [await freePort(), await freePort()];
  const file = join(directory, 'limpet.yaml');
  await writeFile(
    file,
    `listeners: [{ bind: "127.0.0.1:${port}" }]\nadmin: { bind: "127.0.0.1:${admin}" }\nworkers: 1\n` +
      `pools: { p: { backends: [{ id: a, url: "${backend.url}" }] } }\n`,
    { mode: 0o644 },
  );
  const mount = ['-v', `${file}:/etc/limpet/limpet.yaml:ro`];
  await engine.run(['run', '-d', '--name', `${name}-b`, '--network', 'host', ...mount, ...engine.start, image]);
  await eventually('the container to be healthy', () => isHealthy(engine, `${name}-b`), 60_000);
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /"id":"a"/);
  const stopping = performance.now();
  await engine.run(['stop', '-t', '60', `${name}-b`]);
  const took = performance.now() - stopping;
  const status = await engine.run(['inspect', '--format', '{{.State.ExitCode}}', `${name}-b`]);
  assert.equal(status.trim(), '0', await engine.run(['logs', `${name}-b`]));
  // A second of its own; the engine has work to do around it, on a machine that has other work.
  assert.ok(took < 30_000, `it took ${Math.round(took)} ms`);
});

/** Leaves a test to the long form of the run. */
function ignore(_name: string, _options: object, _work: (t: TestContext) => Promise<void>): void {}

/** Builds the Dockerfile as it stands, but for the name of its base. */
async function build(engine: ContainerEngine, image: string, base: string, directory: string): Promise<void> {
  const registry = (await run('npm', ['config', 'get', 'registry'])).stdout.trim();
  const settings = `ENV npm_config_registry=${registry} NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt`;
  const text = dockerfile.replaceAll(/^FROM \S+(.*)$/gm, `FROM ${base}$1\n${settings}`);
  const file = join(directory, 'Dockerfile');
  await writeFile(file, text);
  await engine.run(['build', ...engine.build, '-t', image, '-f', file, ROOT]);
}

/** By the image's own check, run now and not at its next turn. */
async function isHealthy(engine: ContainerEngine, container: string): Promise<boolean> {
  const [program, ...args] = JSON.parse(last(final, 'HEALTHCHECK').replace(/^.*?\[/, '[')) as string[];
  return engine.run(['exec', container, program!, ...args]).then(
    () => true,
    () => false,
  );
}
