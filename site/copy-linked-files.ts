import { cpSync, globSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { sitePath } from './site-path.ts';

/** Copies the files that pages link to, such as examples and tests, and makes a list of what a linked folder holds. */
export function copyLinkedFiles(root: string, outDir: string): void {
  const pages = [...globSync('*.md', { cwd: root }), ...globSync('{docs,bench}/**/*.md', { cwd: root })];
  const linked = pages.flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)].map(([, target]) =>
      normalize(join(dirname(page), target!)),
    ),
  );
  for (const path of new Set(linked)) {
    const found = statSync(join(root, path), { throwIfNoEntry: false });
    if (found === undefined || path.startsWith('..') || path.endsWith('.md')) continue;
    const to = join(outDir, sitePath('README.md', path));
    if (found.isFile()) {
      mkdirSync(dirname(to), { recursive: true });
      cpSync(join(root, path), to);
      continue;
    }
    cpSync(join(root, path), to, { recursive: true });
    const names = readdirSync(join(root, path)).map((name) => `<li><a href="${name}">${name}</a></li>`);
    writeFileSync(
      join(to, 'index.html'),
      `<!doctype html><title>${path}</title><h1>${path}</h1><ul>${names.join('')}</ul>\n`,
    );
  }
}
