// Builds the site of the documentation into site/dist. `npm run docs -- --serve` serves it.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const site = fileURLToPath(new URL('../../site', import.meta.url));

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { cwd: site, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

// Its packages are its own: what limpet is made of stays small.
run('npm', ['ci', '--no-audit', '--no-fund']);
run(process.execPath, ['node_modules/vitepress/bin/vitepress.js', process.argv.includes('--serve') ? 'dev' : 'build']);
