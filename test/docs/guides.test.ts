import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { readPage } from './pages.ts';
import { yamlBlocks } from './yaml-blocks.ts';

/** Guides that begin with `limpet init --preset NAME`. */
const PRESETS = { 'socket-io': 'socketio', php: 'php', tomcat: 'jsessionid', express: 'express', llm: 'llm' };

/** Paths of what a guide says and its preset does not. */
function* differences(guide: unknown, preset: unknown, path: string): Generator<string> {
  if (typeof guide !== 'object' || guide === null) {
    if (guide !== preset) yield `${path}: ${guide}, in the preset ${preset}`;
    return;
  }
  for (const [key, value] of Object.entries(guide))
    yield* differences(value, (preset as Record<string, unknown> | undefined)?.[key], `${path}.${key}`);
}

for (const [guide, preset] of Object.entries(PRESETS))
  test(`the guide ${guide} shows what limpet init --preset ${preset} writes`, () => {
    const page = `docs/guides/${guide}.md`;
    assert.match(readPage(page), new RegExp(`^limpet init --preset ${preset}$`, 'm'));
    const shown = parse(yamlBlocks(page)[0]!.text) as unknown;
    const written = parse(readPage(`config/examples/${preset}.yaml`)) as unknown;
    assert.deepEqual([...differences(shown, written, '')], []);
  });
