import { readFileSync } from 'node:fs';
import { type AppProcess, startApps } from '../support/app-process.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

/** Starts servers a, b and c, each a process of `test/scenarios/NAME/app.ts`. */
export function startServers(name: string): Promise<AppProcess[]> {
  return startApps(new URL(`./${name}/app.ts`, import.meta.url), 'a', 'b', 'c');
}

/** Has each server copy its sessions to the next one (see CopiedSessions). */
export async function copyToNext(apps: readonly AppProcess[]): Promise<void> {
  const ports = await Promise.all(apps.map(async (app) => (await app.tell({})).copies));
  await Promise.all(apps.map((app, i) => app.tell({ copyTo: ports[(i + 1) % ports.length] })));
}

/**
 * Starts limpet from `config/examples/NAME.yaml` as it is written, with two workers and the servers given.
 * @param env more variables of the file, by their names after `NAME_`
 */
export function startExampleFile(
  name: string,
  apps: readonly AppProcess[],
  env: Readonly<Record<string, string>> = {},
): Promise<LimpetProcess> {
  const text = readFileSync(new URL(`../../config/examples/${name}.yaml`, import.meta.url), 'utf8');
  const given = {
    BIND: '127.0.0.1:0',
    ADMIN: '127.0.0.1:0',
    ...Object.fromEntries(apps.map(({ id, url }) => [id.toUpperCase(), url])),
    ...env,
  };
  const named = Object.entries(given).map(([key, value]) => [`${name.toUpperCase()}_${key}`, value]);
  return startLimpetProcess(text, { env: Object.fromEntries(named), args: ['--workers', '2'] });
}
