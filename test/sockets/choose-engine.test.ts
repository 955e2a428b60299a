import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseEngine, type EngineFacts } from '../../src/sockets/choose-engine.ts';
import { TESTED_NODE_VERSIONS } from '../../src/sockets/tested-node-versions.ts';

const newest = Math.max(...TESTED_NODE_VERSIONS);
const facts: EngineFacts = { node: `${newest}.1.0`, platform: 'linux', arch: 'x64', ffi: true };
const next = { ...facts, node: `${newest + 1}.0.0` };

test('76: auto takes system calls on versions of Node that were tested, and Node itself elsewhere', () => {
  assert.deepEqual(chooseEngine('auto', facts), { engine: 'system', why: null, handles: true });
  const untested = `limpet was not tested with Node ${next.node}`;
  assert.deepEqual(chooseEngine('auto', next), { engine: 'node', why: untested, handles: false });
});

test('76: system takes them on other versions, too, and node never', () => {
  assert.deepEqual(chooseEngine('system', next), { engine: 'system', why: null, handles: true });
  assert.deepEqual(chooseEngine('node', facts), { engine: 'node', why: null, handles: true });
  assert.deepEqual(chooseEngine('node', next), { engine: 'node', why: null, handles: false });
});

test('76: where system calls cannot be made the reason says so', () => {
  const old = { ...facts, node: '22.19.0', ffi: false };
  for (const wanted of ['auto', 'system'] as const) {
    const why = 'Node 22.19.0 has no node:ffi, or was told to leave it out';
    assert.deepEqual(chooseEngine(wanted, old), { engine: 'node', why, handles: true });
    const { engine, why: other } = chooseEngine(wanted, { ...facts, platform: 'darwin', arch: 'arm64' });
    assert.deepEqual([engine, other], ['node', 'system calls are for Linux on x64 and arm64, not darwin on arm64']);
  }
});
