// Around `npm pack`: the package.json that goes into the package is without what is for a checkout alone, its scripts
// and what they need. npm warns whoever installs a package that has a `prepare`, which is never run there. `write` puts
// it in place, `restore` takes it away again.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FILE = fileURLToPath(new URL('../package.json', import.meta.url));
const KEPT = `${FILE}.whole`;
const OF_A_CHECKOUT = ['scripts', 'devDependencies', 'allowScripts'];

if (process.argv[2] === 'restore') {
  if (existsSync(KEPT)) renameSync(KEPT, FILE);
} else if (process.argv[2] === 'write') {
  const text = readFileSync(FILE, 'utf8');
  const manifest = JSON.parse(text) as Record<string, unknown>;
  for (const key of OF_A_CHECKOUT) delete manifest[key];
  writeFileSync(KEPT, text);
  writeFileSync(FILE, `${JSON.stringify(manifest, null, 2)}\n`);
} else throw new Error('write or restore');
