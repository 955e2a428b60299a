import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config/load.ts';

/** What is said of a pool with this in its session and affinity. */
function check(session: string, affinity = '{ by: cookie }'): { errors: string[]; warnings: string[] } {
  const yaml = `listeners: [{ bind: 127.0.0.1:8080 }]
pools: { p: { backends: [{ id: a, url: "http://127.0.0.1:9001" }], affinity: [${affinity}], session: { ${session} } } }
`;
  const loaded = parseConfig(yaml, 'limpet.yaml', {});
  const say = ({ path, message }: { path: string; message: string }): string => `${path}: ${message}`;
  return 'errors' in loaded
    ? { errors: loaded.errors.map(say), warnings: [] }
    : { errors: [], warnings: [...loaded.warnings] };
}

test('half-duplex and simplex are taken, with a queue and without', () => {
  for (const session of [
    'dialog: half-duplex',
    'dialog: half-duplex, dialogQueue: { max: 0, wait: 0s }',
    'dialog: simplex',
    'dialog: full-duplex',
  ])
    assert.deepEqual(check(session), { errors: [], warnings: [] }, session);
});

test('half-duplex in a pool without sessions is refused: there is nothing to take turns in', () => {
  const { errors } = check('dialog: half-duplex', '');
  assert.equal(errors.length, 1);
  assert.match(errors[0]!, /^pools\.p\.session\.dialog: .* name a key in affinity or leave dialog out$/);
  assert.deepEqual(check('dialog: simplex', '').errors, []);
});

test('a queue without half-duplex is warned of', () => {
  for (const dialog of ['full-duplex', 'simplex']) {
    const { warnings } = check(`dialog: ${dialog}, dialogQueue: { max: 3 }`);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, new RegExp(`dialogQueue: has no effect with dialog: ${dialog}, only with half-duplex$`));
  }
});
