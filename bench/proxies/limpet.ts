import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProxyKind, Setting } from './proxy-kind.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** limpet with its defaults: a signed cookie of its own and a table of sessions; one worker, no access log, no admin API. */
export function limpet(fromSource: boolean): ProxyKind {
  const main = fromSource ? 'src/cli/main.ts' : 'bin/limpet.js';
  return {
    name: 'limpet',
    setup: `its own cookie, workers 1, ${fromSource ? 'from source' : 'built'}`,
    cookie: 'limpet',
    binding: 'first-response',
    async find() {
      const needed = fromSource ? main : 'dist/cli/main.js';
      if (!existsSync(join(ROOT, needed))) return { missing: `${needed} does not exist` };
      const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as { version: string };
      return { version };
    },
    async prepare(setting) {
      const file = join(setting.directory, 'limpet.yaml');
      const secretFile = join(setting.directory, 'secret');
      await writeFile(secretFile, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
      await writeFile(file, configuration(setting, secretFile));
      return [process.execPath, join(ROOT, main), 'start', '-c', file];
    },
  };
}

function configuration({ port, backends, tls }: Setting, secretFile: string): string {
  return `listeners:
  - bind: 127.0.0.1:${port}${tls === null ? '' : `\n    tls: { certificates: [{ cert: "${tls.cert}", key: "${tls.key}" }], alpn: [http/1.1] }`}
pools:
  bench:
    balance: round-robin
    backends:
${backends.map(({ id, port }) => `      - { id: ${id}, url: "http://127.0.0.1:${port}" }`).join('\n')}
sessions: { secretFile: "${secretFile}" }
admin: { bind: null }
log: { level: warn, access: false }
workers: 1
shutdown: { grace: 1s }
`;
}
