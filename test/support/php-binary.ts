import { findProgram } from './find-program.ts';

/** What to do when there is no PHP. */
export const PHP_MISSING =
  'the test of the preset for PHP needs php: apt-get install php-cli (or name one in the environment variable PHP)';

/** PHP for the command line, which has a web server built in; null: none is installed. */
export function findPhp(): string | null {
  return findProgram(['php'], 'PHP');
}
