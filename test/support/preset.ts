import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { type LimpetProcess, startLimpetProcess } from './limpet.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** The parts of a preset that a test puts its own addresses into. */
interface Written {
  listeners: Record<string, unknown>[];
  pools: Record<string, { backends: Record<string, unknown>[] }>;
  [key: string]: unknown;
}

/** What `limpet init --preset NAME` writes, parsed. */
function readPreset(name: string): Written {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-preset-'));
  try {
    const file = join(directory, 'limpet.yaml');
    const { status, stderr } = spawnSync(process.execPath, [MAIN, 'init', '--preset', name, '-c', file], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    return parse(readFileSync(file, 'utf8')) as Written;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A server that takes the place of one in a file. */
interface NamedServer {
  readonly id: string;
  readonly url: string;
}

/**
 * Starts limpet with two workers from a preset as it is written, but for the addresses: `servers` take the place of its
 * backends, with the keys of the first one. Where the preset names replicas, each server's is the next one.
 * @param tls of the listener; absent: as in the preset
 */
export function startPreset(
  name: string,
  servers: readonly NamedServer[],
  tls?: { certificates: { cert: string; key: string }[] },
): Promise<LimpetProcess> {
  const config = readPreset(name);
  if (tls !== undefined) for (const listener of config.listeners) listener.tls = tls;
  return start(config, servers);
}

/** The same for a file of config/examples that is no preset. */
export function startExample(name: string, servers: readonly NamedServer[]): Promise<LimpetProcess> {
  const file = new URL(`../../config/examples/${name}.yaml`, import.meta.url);
  return start(parse(readFileSync(file, 'utf8')) as Written, servers);
}

function start(config: Written, servers: readonly NamedServer[]): Promise<LimpetProcess> {
  config.workers = 2;
  config.admin = { bind: '127.0.0.1:0' };
  for (const listener of config.listeners) listener.bind = '127.0.0.1:0';
  for (const pool of Object.values(config.pools)) {
    const { replicas, ...first } = pool.backends[0]!;
    pool.backends = servers.map(({ id, url }, i) => ({
      ...first,
      id,
      url,
      ...(replicas === undefined ? {} : { replicas: [servers[(i + 1) % servers.length]!.id] }),
    }));
  }
  return startLimpetProcess(stringify(config));
}
