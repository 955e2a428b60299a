import { cpSync, globSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** The front page of the site is docs/index.md, and docs/security.md says how to report what is wrong. */
const ELSEWHERE = ['README.md', 'SECURITY.md'];

/**
 * Copies the pages of the repository to where the site is built from: those of docs/ to its root, and those beside docs/.
 * They have to lie below the folder that holds the packages which they are built with.
 */
export function copyPages(root: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  cpSync(join(root, 'docs'), to, { recursive: true });
  for (const page of ['bench/NOTES.md', ...globSync('*.md', { cwd: root, exclude: [...ELSEWHERE] })])
    cpSync(join(root, page), join(to, page));
}
