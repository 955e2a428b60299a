import { fileURLToPath } from 'node:url';

/**
 * What a test starts limpet with: the compiled command line when the whole run has just compiled it (scripts/test.ts),
 * as users run it and in half the time; the sources otherwise.
 */
export const LIMPET_MAIN = fileURLToPath(
  new URL(process.env.LIMPET_COMPILED === '1' ? '../../dist/cli/main.js' : '../../src/cli/main.ts', import.meta.url),
);
