import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { BackendStatus } from '../../../src/sessions/persistence/snapshot-description.ts';
import { SnapshotKeeper } from '../../../src/sessions/persistence/snapshot-keeper.ts';
import { Row, type SessionTable } from '../../../src/sessions/table/table.ts';
import { eventually } from '../../support/eventually.ts';
import { BACKENDS, contents, description, fill, LogLines, makeTable, named, T } from '../named-backends.ts';
import { randomKeys } from '../random-keys.ts';

const LONG = 20_000;
const OURS = new Uint8Array(32).fill(1);
const OTHER = new Uint8Array(32).fill(2);

function pathIn(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-keeper-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'rows');
}

interface Run {
  readonly keeper: SnapshotKeeper;
  readonly table: SessionTable;
  readonly log: LogLines;
  readonly asked: string[];
  standing: readonly BackendStatus[];
}

/** What a limpet does from its start until it takes traffic. */
async function run(t: TestContext, path: string, secrets = [OURS], every = 3_600_000): Promise<Run> {
  const log = new LogLines();
  const table = makeTable();
  const keeper = await SnapshotKeeper.open({ path, secrets, log, now: () => T, every });
  t.after(() => keeper.stop());
  const asked: string[] = [];
  const running: Run = { keeper, table, log, asked, standing: description().backends };
  await keeper.load({ table, names: named(BACKENDS), backends: () => running.standing });
  await keeper.start(() => asked.push('take over'));
  return running;
}

test('sessions outlive a clean stop, with how their backends stood (25)', async (t) => {
  const path = pathIn(t);
  const first = await run(t, path);
  assert.deepEqual([first.keeper.joined, first.keeper.backends], [false, []]);
  fill(first.table, 700, 1);
  await first.keeper.stop();
  const second = await run(t, path);
  assert.deepEqual(contents(second.table), contents(first.table));
  assert.deepEqual(second.keeper.backends, description().backends);
  assert.deepEqual(second.log.lines, ['info sessions read from the snapshot']);
  assert.deepEqual(readdirSync(join(path, '..')).sort(), ['rows', 'rows.sock']);
});

test('it is written from time to time when something has changed', async (t) => {
  const path = pathIn(t);
  const { table, keeper } = await run(t, path, [OURS], 20);
  await eventually('the first one', () => existsSync(path), LONG);
  const { ino } = statSync(path);
  for (let n = 0; n < 5; n++) assert.equal(await keeper.write(), true);
  assert.equal(statSync(path).ino, ino, 'nothing has changed');
  fill(table, 10, 1);
  await eventually('the next one', () => statSync(path).ino !== ino, LONG);
});

test('a change of how a backend stands is written too', async (t) => {
  const path = pathIn(t);
  const running = await run(t, path);
  await running.keeper.write();
  assert.ok(!readFileSync(path, 'latin1').includes('"state":"maintenance"'));
  running.standing = running.standing.map((backend) => ({ ...backend, state: 'maintenance' }));
  await running.keeper.write();
  assert.ok(readFileSync(path, 'latin1').includes('"state":"maintenance"'));
});

test('the keys are hashed with the secret that the snapshot was written under, as long as it is known (22)', async (t) => {
  const path = pathIn(t);
  const first = await run(t, path, [OURS]);
  fill(first.table, 10, 1);
  await first.keeper.stop();
  const second = await run(t, path, [OTHER, OURS]);
  assert.equal(second.keeper.keySecret, OURS);
  assert.ok(second.table.size > 0);
  await second.keeper.stop();
  const third = await run(t, path, [OTHER]);
  assert.equal(third.keeper.keySecret, OTHER);
  assert.equal(third.table.size, 0);
  assert.deepEqual(third.keeper.backends, []);
  assert.match(third.log.lines.join(), /error the snapshot of the sessions cannot be used: .*secret/);
});

test('a limpet that starts while another runs takes its sessions, and the file, and asks it to stop (47)', async (t) => {
  const path = pathIn(t);
  const old = await run(t, path);
  fill(old.table, 500, 1);
  const fresh = await run(t, path);
  assert.equal(fresh.keeper.joined, true);
  assert.deepEqual(fresh.keeper.backends, description().backends);
  assert.deepEqual(contents(fresh.table), contents(old.table));
  assert.equal(fresh.keeper.takeOver(), true);
  await eventually('the wish', () => old.asked.length > 0, LONG);
  // While it drains.
  const key = randomKeys(2, 1)[1]!;
  old.table.move(key, 1, 2, 1, 0, T, new Row());
  assert.equal(await old.keeper.write(), true);
  assert.equal(existsSync(path), false, 'the file is not the old one’s any more');
  await old.keeper.stop();
  assert.equal(existsSync(path), false);
  await eventually(
    'the end of the old one',
    () => fresh.log.lines.includes('info the limpet that ran before has ended'),
    LONG,
  );
  assert.deepEqual(contents(fresh.table), contents(old.table));
  assert.equal(fresh.keeper.takeOver(), false);
  // The next one joins the new one; then that one is alone.
  const next = await run(t, path);
  assert.equal(next.keeper.joined, true);
  await fresh.keeper.stop();
  await next.keeper.stop();
  const last = await run(t, path);
  assert.equal(last.keeper.joined, false);
  assert.deepEqual(contents(last.table), contents(old.table));
});

test('a limpet that fails before it starts leaves the one that runs as it was', async (t) => {
  const path = pathIn(t);
  const old = await run(t, path);
  fill(old.table, 50, 1);
  const fresh = await SnapshotKeeper.open({ path, secrets: [OURS], log: new LogLines(), now: () => T });
  await fresh.load({ table: makeTable(), names: named(BACKENDS), backends: () => [] });
  await fresh.stop();
  assert.equal(existsSync(path), false, 'it has written nothing');
  await old.keeper.stop();
  assert.equal(existsSync(path), true);
});

test('when the limpet that took over goes first, the old one has what it knew, and the file again', async (t) => {
  const path = pathIn(t);
  const old = await run(t, path);
  fill(old.table, 50, 1);
  const fresh = await run(t, path);
  fill(fresh.table, 50, 2);
  await fresh.keeper.stop();
  await eventually('its sessions', () => old.table.size === fresh.table.size, LONG);
  await eventually('the socket', () => existsSync(`${path}.sock`), LONG);
  fill(old.table, 50, 3);
  await old.keeper.stop();
  const last = await run(t, path);
  assert.equal(last.table.size, old.table.size);
});

test('a limpet with another secret takes nothing but the place', async (t) => {
  const path = pathIn(t);
  const old = await run(t, path);
  fill(old.table, 50, 1);
  const fresh = await run(t, path, [OTHER]);
  assert.equal(fresh.table.size, 0);
  assert.equal(fresh.keeper.keySecret, OTHER);
  assert.match(fresh.log.lines.join(), /warn .*its sessions cannot be taken over/);
  assert.equal(fresh.keeper.takeOver(), true);
  await eventually('the wish', () => old.asked.length > 0, LONG);
  await old.keeper.stop();
  assert.equal(existsSync(path), false);
  await fresh.keeper.stop();
  assert.equal((await run(t, path, [OTHER])).log.lines.length, 1, 'the file is one of the new secret');
});

test('a file that cannot be written is told once, and again when it can', async (t) => {
  const path = pathIn(t);
  const { keeper, log, table } = await run(t, path);
  const temporary = `${path}.${process.pid}.tmp`;
  mkdirSync(temporary);
  fill(table, 5, 1);
  assert.equal(await keeper.write(), false);
  assert.equal(await keeper.write(), false);
  rmdirSync(temporary);
  assert.equal(await keeper.write(), true);
  assert.deepEqual(log.lines, [
    'error the snapshot of the sessions cannot be written',
    'info the snapshot of the sessions is written again',
  ]);
});

test('a socket that cannot be had stops nothing but the handover', async (t) => {
  const path = pathIn(t);
  writeFileSync(`${path}.sock`, 'not a socket');
  const { keeper, log } = await run(t, path);
  assert.deepEqual(log.lines, ['error no other limpet can take the sessions over from this one']);
  await keeper.stop();
  assert.equal(existsSync(path), true);
  assert.equal(readFileSync(`${path}.sock`, 'latin1'), 'not a socket');
});
