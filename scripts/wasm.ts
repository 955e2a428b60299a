// Assembles src/http1/lines.wat to src/http1/lines-wasm.ts: `npm run build:wasm`, after each change of the former. A
// test looks at both.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import wabt from 'wabt';

const folder = fileURLToPath(new URL('../src/http1/', import.meta.url));

/** Characters of a line of base64. */
const WIDTH = 100;

/** What lines-wasm.ts is to be. Throws an error that names the line of lines.wat that is wrong. */
export async function assembled(): Promise<string> {
  const { parseWat } = await wabt();
  const module = parseWat('lines.wat', readFileSync(`${folder}lines.wat`, 'utf8'), { simd: true });
  module.validate();
  const text = Buffer.from(module.toBinary({}).buffer).toString('base64');
  module.destroy();
  const lines = text.match(new RegExp(`.{1,${WIDTH}}`, 'g'))!.map((line) => `'${line}'`);
  return `/** lines.wat, assembled by \`npm run build:wasm\`, base64. */\nexport const LINES_WASM =\n  ${lines.join(' +\n  ')};\n`;
}

if (import.meta.main) writeFileSync(`${folder}lines-wasm.ts`, await assembled());
