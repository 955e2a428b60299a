import assert from 'node:assert/strict';
import { test } from 'node:test';
import { navigation } from '../../site/navigation.ts';
import { sitePath } from '../../site/site-path.ts';
import { pages, ROOT } from './pages.ts';

test('every page of the documentation is in the navigation of its site, once, with a title', () => {
  const items = navigation(ROOT).flatMap((group) => group.items);
  const listed = items.map(({ link }) => link);
  const wanted = pages().filter((page) => page.startsWith('docs/') || page === 'ARCHITECTURE.md');
  assert.deepEqual(
    wanted
      .map((page) => sitePath('README.md', page))
      .filter((link) => listed.filter((one) => one === link).length !== 1),
    [],
  );
  assert.deepEqual(
    items.filter(({ text }) => text === ''),
    [],
  );
});

test('a link of a page leads on the site where it leads in the repository', () => {
  const links = [
    ['docs/start.md', 'operate/run.md#logs', '/operate/run#logs'],
    ['docs/guides/php.md', '../configuration.md', '/configuration'],
    ['docs/guides/php.md', '../../config/examples/php.yaml', '/config/examples/php.yaml'],
    ['docs/internals/table.md', '../../ARCHITECTURE.md', '/ARCHITECTURE'],
    ['ARCHITECTURE.md', 'docs/behaviour.md', '/behaviour'],
    ['docs/security.md', '../README.md', '/'],
    ['README.md', 'SECURITY.md', '/security'],
    ['docs/security.md', '#keys', '#keys'],
    ['docs/security.md', 'https://example.com/a.md', 'https://example.com/a.md'],
  ] as const;
  for (const [page, link, path] of links) assert.equal(sitePath(page, link), path);
});
