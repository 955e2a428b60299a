import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseExposition } from '../metrics/exposition.ts';
import { startLimpetProcess } from '../support/limpet.ts';
import { readPage } from './pages.ts';

test('the page of metrics has those that a running limpet gives, with their types, labels and meanings', async (t) => {
  const limpet = await startLimpetProcess('pools: { shop: { backends: [{ id: a, url: "http://127.0.0.1:9" }] } }');
  t.after(() => limpet.stop());
  await (await fetch(limpet.url)).arrayBuffer();
  const families = parseExposition(await (await fetch(`${limpet.admin}/metrics`)).text());
  const rows = [...readPage('docs/operate/metrics.md').matchAll(/^\| `([a-z0-9_]+)` \| (\w+) \| (.*?) \| (.*) \|$/gm)];
  assert.deepEqual(
    [...families.values()].map(({ name, type }) => ({ name, type })).sort(byName),
    rows.map(([, name, type]) => ({ name: name!, type: type! })).sort(byName),
  );
  for (const [, name, type, labels, meaning] of rows) {
    const family = families.get(name ?? '')!;
    assert.equal(meaning, family.help.endsWith('.') ? family.help : `${family.help}.`);
    const told = type === 'histogram' ? [...names(labels!), 'le'] : names(labels!);
    for (const sample of family.samples)
      assert.deepEqual(
        Object.keys(sample.labels).filter((label) => !told.includes(label)),
        [],
        name!,
      );
  }
});

function names(labels: string): string[] {
  return [...labels.matchAll(/`([a-z_]+)`/g)].map((match) => match[1]!);
}

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name < other.name ? -1 : 1;
}
