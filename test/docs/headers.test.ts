import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { claims } from '../../src/http1/claims.ts';
import { ROOT, readPage } from './pages.ts';

/** Folders whose code writes fields of messages. */
const WRITERS = 'src/{client,exchange,proxy,upstream,tracing}/**/*.ts';

test('the page of headers names every field that limpet knows or writes', () => {
  const known = [
    ...readFileSync(join(ROOT, 'src/http1/header-id.ts'), 'utf8').matchAll(/^ {2}'?([a-z0-9-]+)'?: HeaderId\./gm),
  ];
  const written = globSync(WRITERS, { cwd: ROOT }).flatMap((file) => [
    ...readFileSync(join(ROOT, file), 'utf8').matchAll(
      /['`\n]((?:[A-Z][a-z]+-)*[A-Z][a-z]+): ?[^'`\n]*(?:\\r\\n|['`])/g,
    ),
  ]);
  assert.ok(known.length > 30 && written.length > 15, `${known.length} known, ${written.length} written`);
  const page = new Set(
    [...readPage('docs/reference/headers.md').matchAll(/`([A-Za-z0-9-]+)(?=[:`])/g)].map((match) =>
      match[1]!.toLowerCase(),
    ),
  );
  const names = [...known, ...written].map((match) => match[1]!.toLowerCase());
  assert.deepEqual(
    [...new Set([...names, ...claims.names, ...claims.prefixes])].filter((name) => !page.has(name)),
    [],
  );
});
