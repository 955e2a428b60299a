import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { headingAnchors } from '../../scripts/docs/heading-anchors.ts';
import { pages, ROOT, readPage } from './pages.ts';

/** Targets of the links of a page with their lines; code is left out. */
function links(text: string): { readonly target: string; readonly line: number }[] {
  const found: { target: string; line: number }[] = [];
  let fence = '';
  text.split('\n').forEach((line, index) => {
    const mark = /^ *(`{3,}|~{3,})/.exec(line)?.[1] ?? '';
    if (fence !== '') {
      if (mark.startsWith(fence)) fence = '';
      return;
    }
    if (mark !== '') {
      fence = mark;
      return;
    }
    for (const match of line.replaceAll(/(`+).*?\1/g, '').matchAll(/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)/g))
      found.push({ target: match[1]!, line: index + 1 });
  });
  return found;
}

test('every link of a page to a file or a heading leads there', () => {
  const dead: string[] = [];
  for (const page of pages()) {
    for (const { target, line } of links(readPage(page))) {
      if (/^[a-z][a-z0-9+.-]*:/.test(target)) continue;
      const [file = '', anchor] = target.split('#');
      const path = file === '' ? page : normalize(join(dirname(page), decodeURIComponent(file)));
      if (path.startsWith('..') || file.startsWith('/') || !existsSync(join(ROOT, path))) {
        dead.push(`${page}:${line}: ${target}: there is no such file`);
      } else if (anchor !== undefined && path.endsWith('.md') && !headingAnchors(readPage(path)).includes(anchor)) {
        dead.push(`${page}:${line}: ${target}: there is no such heading`);
      }
    }
  }
  assert.deepEqual(dead, []);
});
