import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { APPLICATION_COOKIE } from '../responder.ts';
import type { Demands, ProxyKind } from './proxy-kind.ts';
import type { ScriptSetting } from './script-setting.ts';

/** A proxy library for Node, in a script as its users write it. */
export interface LibraryChoice {
  readonly name: string;
  /** The npm package. */
  readonly package: string;
  /** A script of this folder. */
  readonly script: string;
  readonly setup: string;
  readonly websocket: boolean;
}

/** The proxy of a library, with a Map of sessions that the script learns from the application's cookie. */
export function nodeLibrary(choice: LibraryChoice): ProxyKind {
  const script = fileURLToPath(new URL(`./${choice.script}`, import.meta.url));
  return {
    name: choice.name,
    setup: choice.setup,
    cookies: [APPLICATION_COOKIE],
    binding: 'first-response',
    async find() {
      try {
        // Not `PACKAGE/package.json`: some packages do not export it.
        const entry = createRequire(import.meta.url).resolve(choice.package);
        return { version: await versionAbove(entry, choice.package) };
      } catch {
        return { missing: `${choice.package} is not installed (npm ci)` };
      }
    },
    cannot: (demands) => cannot(demands, choice.websocket),
    async prepare({ port, backends, tls }) {
      const setting: ScriptSetting = { port, backendPorts: backends.map((backend) => backend.port), tls };
      const command = [process.execPath, '--no-deprecation', script, JSON.stringify(setting), choice.package];
      return { command, configuration: await readFile(script, 'utf8') };
    },
  };
}

function cannot(demands: Demands, websocket: boolean): string | null {
  if (demands.websocket && !websocket) return 'its script carries no WebSockets';
  if (demands.token) return 'its script checks no tokens';
  if (demands.redis) return 'its script keeps no sessions in Redis';
  if (demands.accessLog) return 'it has no access log';
  if (demands.workers > 1) return 'its Map of sessions belongs to one process';
  return demands.failover ? 'it does not try another backend' : null;
}

async function versionAbove(entry: string, name: string): Promise<string> {
  for (let folder = dirname(entry); folder !== dirname(folder); folder = dirname(folder)) {
    const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{}');
    const found = JSON.parse(text) as { name?: string; version?: string };
    if (found.name === name && found.version !== undefined) return found.version;
  }
  return 'unknown';
}
