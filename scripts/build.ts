// Compiles src to dist. Run by `npm ci` (prepare) and by hand with `npm run build`.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });
const tsc = spawnSync(
  process.execPath,
  [`${root}node_modules/typescript/bin/tsc`, '-p', `${root}tsconfig.build.json`],
  {
    stdio: 'inherit',
  },
);
if (tsc.status !== 0) process.exit(tsc.status ?? 1);
// Files that are read at run time and are not TypeScript.
for (const asset of ['admin/dashboard/page', 'demo/page']) {
  if (existsSync(`${root}src/${asset}`)) cpSync(`${root}src/${asset}`, `${root}dist/${asset}`, { recursive: true });
}
