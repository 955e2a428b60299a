import { findProgram } from './find-program.ts';

/** What to do when there is no Chromium. */
export const CHROMIUM_MISSING =
  'the tests with a browser need Chromium: apt-get install chromium (or name one in the environment variable CHROMIUM)';

/** The Chromium that tests drive; null: none is installed. */
export function findChromium(): string | null {
  return findProgram(['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'], 'CHROMIUM');
}
