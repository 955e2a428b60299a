import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loggedTo } from './logged-to.ts';
import type { ProxyKind, Setting } from './proxy-kind.ts';

/** The checkout that this benchmark is part of. */
export const OWN_ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Which limpet is measured. */
export interface LimpetChoice {
  readonly name: string;
  /** A checkout. */
  readonly root: string;
  /** It runs from src, without a build. */
  readonly fromSource: boolean;
}

/** limpet with its defaults: a signed cookie of its own and a table of sessions; one worker, no admin API. */
export function limpet({ name, root, fromSource }: LimpetChoice): ProxyKind {
  const main = fromSource ? 'src/cli/main.ts' : 'bin/limpet.js';
  return {
    name,
    setup: `its own cookie, workers 1, ${fromSource ? 'from source' : 'built'}`,
    cookies: ['limpet'],
    binding: 'first-response',
    async find() {
      const needed = fromSource ? main : 'dist/cli/main.js';
      if (!existsSync(join(root, needed))) return { missing: `${join(root, needed)} does not exist` };
      const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
      return { version };
    },
    cannot: () => null,
    async prepare(setting) {
      const file = join(setting.directory, 'limpet.yaml');
      const secretFile = join(setting.directory, 'secret');
      await writeFile(secretFile, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
      const configuration = configure(setting, secretFile);
      await writeFile(file, configuration);
      const command = [process.execPath, join(root, main), 'start', '-c', file];
      return { command: loggedTo(join(setting.directory, 'limpet.log'), command), configuration };
    },
  };
}

function configure({ port, backends, tls, tokenSecret, redisUrl, demands }: Setting, secretFile: string): string {
  const { token, accessLog, workers, resident } = demands;
  const affinity = token
    ? `\n    affinity:\n      - { by: token, claim: sub, verify: { secret: "${tokenSecret}", algorithms: [HS256], onInvalid: reject } }`
    : '';
  const max = resident > 0 ? `, max: ${Math.max(1_000_000, Math.ceil(resident * 1.1))}` : '';
  const store = redisUrl === null ? '' : `, store: redis, redis: { url: "${redisUrl}" }`;
  return `listeners:
  - bind: 127.0.0.1:${port}${tls === null ? '' : `\n    tls: { certificates: [{ cert: "${tls.cert}", key: "${tls.key}" }], alpn: [http/1.1] }`}
pools:
  bench:
    balance: round-robin
    backends:
${backends.map(({ id, port }) => `      - { id: ${id}, url: "http://127.0.0.1:${port}" }`).join('\n')}${affinity}
sessions: { secretFile: "${secretFile}"${max}${store} }
admin: { bind: null }
log: { level: ${accessLog ? 'info' : 'warn'}, access: ${accessLog} }
workers: ${workers}
shutdown: { grace: 1s }
`;
}
