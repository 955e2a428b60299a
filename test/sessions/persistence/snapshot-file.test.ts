import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { SnapshotFile } from '../../../src/sessions/persistence/snapshot-file.ts';
import type { SessionNames } from '../../../src/sessions/persistence/snapshot-names.ts';
import { RECORD_BYTES } from '../../../src/sessions/persistence/snapshot-record.ts';
import { ChangeReader } from '../../../src/sessions/table/row-changes.ts';
import type { RowRecord } from '../../../src/sessions/table/row-record.ts';
import { Row, SessionTable } from '../../../src/sessions/table/table.ts';
import { BACKENDS, contents, description, fill, LogLines, makeTable, named, T } from '../named-backends.ts';
import { randomKeys } from '../random-keys.ts';

function fileIn(t: TestContext): { file: SnapshotFile; path: string; directory: string; log: LogLines } {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-snapshot-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const log = new LogLines();
  const path = join(directory, 'rows');
  return { file: new SnapshotFile(path, log, () => T), path, directory, log };
}

test('a table is the same after it was written and read, by names whatever the slots are now (12, 25)', async (t) => {
  const { file, path, log } = fileIn(t);
  const before = makeTable();
  fill(before, 800, 1);
  const counts = await file.write(description, named(BACKENDS), before);
  assert.deepEqual(counts, { rows: 800, leftOut: 0, bytes: statSync(path).size });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const opened = (await file.open(['other', 'ours']))!;
  assert.equal(opened.rows, 800);
  assert.equal(opened.description.writtenAt, T);
  assert.deepEqual(opened.description.backends, description().backends);
  const turned = [...BACKENDS].reverse();
  const after = makeTable();
  assert.deepEqual(await opened.load(named(turned, 9), after), { rows: 800, added: 800, leftOut: 0 });
  assert.deepEqual(contents(after, turned), contents(before));
  assert.equal(after.size, before.size);
  assert.deepEqual(log.lines, []);
});

test('a table that was full is read again with hardly a session lost (25)', async (t) => {
  const { file } = fileIn(t);
  const sessions = 40_000;
  const before = new SessionTable(SessionTable.allocate(sessions, 8, 2), 1);
  fill(before, sessions, 1);
  await file.write(description, named(BACKENDS), before);
  const after = new SessionTable(SessionTable.allocate(sessions, 8, 2), 1);
  await (await file.open(['ours']))!.load(named(BACKENDS), after);
  // Row by row as they stand in the file, some 200 would go.
  assert.ok(before.size - after.size <= 10, `${before.size - after.size} of ${before.size} lost`);
});

test('sessions of backends that are gone are left out, when it is written and when it is read (12)', async (t) => {
  const { file } = fileIn(t);
  const table = makeTable();
  const row = new Row();
  randomKeys(90, 1).forEach((key, n) => {
    table.adopt(key, 1, n % 3, n < 30 ? 1 : 2, 0, T, T, row);
  });
  const counts = await file.write(description, named(BACKENDS, 2), table);
  assert.deepEqual([counts.rows, counts.leftOut], [60, 30]);
  const after = makeTable();
  const loaded = await (await file.open(['ours']))!.load(named(['shop/a', 'shop/new', 'else/b']), after);
  assert.deepEqual(loaded, { rows: 60, added: 20, leftOut: 40 });
});

test('sessions that are over when it is read stay out (23)', async (t) => {
  const { file } = fileIn(t);
  const table = makeTable();
  fill(table, 100, 1);
  await file.write(description, named(BACKENDS), table);
  const after = makeTable();
  after.setLimits(1, 0, 50);
  const { added } = await (await file.open(['ours']))!.load(named(BACKENDS), after);
  // The n-th began n ms ago; tombstones have no such limit.
  assert.equal(added, 55);
});

test('without a file there is nothing, and nothing is said', async (t) => {
  const { file, log } = fileIn(t);
  assert.equal(await file.open(['ours']), null);
  assert.deepEqual(log.lines, []);
});

const damages: [name: string, damage: (bytes: Buffer) => Buffer, reason: RegExp][] = [
  ['nothing at all', () => Buffer.alloc(0), /it is no snapshot of limpet/],
  ['something else', () => Buffer.from('%PDF-1.7'.repeat(20)), /it is no snapshot of limpet/],
  ['only its beginning', (bytes) => bytes.subarray(0, 30), /it is cut short/],
  ['its end cut off', (bytes) => bytes.subarray(0, bytes.length - 1), /it is cut short/],
  ['its middle missing', (bytes) => Buffer.concat([bytes.subarray(0, 100), bytes.subarray(164)]), /length/],
  ['a bit of a row', (bytes) => flip(bytes, 1000), /checksum/],
  ['a bit of the description', (bytes) => flip(bytes, bytes.length - 40), /checksum/],
  ['a bit of the checksum', (bytes) => flip(bytes, bytes.length - 6), /checksum/],
  ['a row added to the end', (bytes) => Buffer.concat([bytes, Buffer.alloc(RECORD_BYTES)]), /cut short/],
  ['a description that is none', (bytes) => sealed(bytes, '{"writtenAt":1}'), /description cannot be understood/],
  ['a description that is no JSON', (bytes) => sealed(bytes, '{'), /description cannot be understood/],
];

function flip(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 4;
  return bytes;
}

/** The file with another description, and a checksum that is right. */
function sealed(bytes: Buffer, description: string): Buffer {
  const rows = bytes.readUInt32LE(bytes.length - 16);
  const text = Buffer.from(description);
  const trailer = Buffer.from(bytes.subarray(bytes.length - 16));
  trailer.writeUInt32LE(text.length, 4);
  const front = Buffer.concat([bytes.subarray(0, 24 + rows * RECORD_BYTES), text]);
  trailer.writeUInt32LE(crc32(trailer.subarray(0, 8), crc32(front)), 8);
  return Buffer.concat([front, trailer]);
}

for (const [name, damage, reason] of damages) {
  test(`a damaged file is set aside with a line that says why, and nothing of it is loaded: ${name} (25)`, async (t) => {
    const { file, path, directory, log } = fileIn(t);
    const table = makeTable();
    fill(table, 100, 1);
    await file.write(description, named(BACKENDS), table);
    const bytes = damage(readFileSync(path));
    writeFileSync(path, bytes);
    assert.equal(await file.open(['ours']), null);
    const [aside = '', ...more] = readdirSync(directory);
    assert.deepEqual(more, []);
    assert.equal(aside, 'rows.damaged-2025-06-15T15-06-40-000Z');
    assert.deepEqual(readFileSync(join(directory, aside)), bytes, 'kept as it was');
    assert.equal(log.lines.length, 1);
    assert.match(log.lines[0]!, /^error the snapshot of the sessions cannot be used: /);
    assert.match(log.lines[0]!, reason);
    assert.ok(log.lines[0]!.includes(aside));
  });
}

test('a file of another secret or of a newer limpet is set aside as foreign', async (t) => {
  const { file, path, directory, log } = fileIn(t);
  await file.write(() => description('theirs'), named(BACKENDS), makeTable());
  assert.equal(await file.open(['ours']), null);
  assert.match(readdirSync(directory).join(), /^rows\.foreign-[^,]*$/);
  assert.match(log.lines[0]!, /hashed with a secret that is not in sessions\.secretFile any more/);
  await file.write(description, named(BACKENDS), makeTable());
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(2, 16);
  writeFileSync(path, bytes);
  assert.equal(await file.open(['ours']), null);
  assert.match(log.lines[1]!, /a newer limpet has written it/);
});

test('what cannot be read is an error that names it', async (t) => {
  const { directory } = fileIn(t);
  await assert.rejects(new SnapshotFile(directory, new LogLines()).open(['ours']), {
    name: 'StartError',
    message: /^sessions\.snapshot: cannot read .*EISDIR/,
  });
});

test('a write that fails leaves the file as it was, and nothing beside it', async (t) => {
  const { file, path, directory } = fileIn(t);
  const table = makeTable();
  fill(table, 100, 1);
  await file.write(description, named(BACKENDS), table);
  const bytes = readFileSync(path);
  const names = named(BACKENDS);
  names.backends = () => {
    throw new Error('in the midst');
  };
  await assert.rejects(file.write(description, names, table), /in the midst/);
  assert.deepEqual(readFileSync(path), bytes);
  assert.deepEqual(readdirSync(directory), ['rows']);
});

test('what changes while it is written is marked for the next time', async (t) => {
  const { file } = fileIn(t);
  const table = makeTable();
  fill(table, 500, 1);
  await file.write(description, named(BACKENDS), table);
  assert.equal(table.hasMarked(ChangeReader.SNAPSHOT), false);
  // Asked for when all rows are copied.
  const changing = () => {
    table.confirm(randomKeys(2, 1)[1]!, 1, T + 1);
    return { ...description(), backends: [] };
  };
  await file.write(changing, named(BACKENDS), table);
  assert.equal(table.hasMarked(ChangeReader.SNAPSHOT), true);
});

test('a process that is killed at any moment of a write leaves a whole file, and the next start clears its remains (25)', async (t) => {
  const { file, path, directory } = fileIn(t);
  const count = 20_000;
  const main = fileURLToPath(new URL('./snapshot-child.ts', import.meta.url));
  let withRemains = 0;
  for (let round = 0; round < 12; round++) {
    const child = spawn(process.execPath, [main, path, String(count)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    // Wherever it is by then: writing, syncing, renaming.
    await new Promise((resolve) => setTimeout(resolve, (round * 7) % 40));
    child.kill('SIGKILL');
    await exited;
    if (readdirSync(directory).length > 1) withRemains++;
    const opened = await file.open(['ours']);
    assert.equal(opened?.rows, count);
    await opened.close();
    assert.deepEqual(readdirSync(directory), ['rows']);
  }
  t.diagnostic(`${withRemains} of 12 were killed in the midst of a write`);
  assert.ok(withRemains > 0);
});

/** Which life of which backend each session of a table is bound to. */
function livesIn(table: SessionTable, names: SessionNames): Map<string, string> {
  const found = new Map<string, string>();
  const visit = ({ key, backend, generation }: RowRecord): void => {
    const bound = names.backends(backend, generation);
    found.set([key.a, key.b, key.c, key.d].join(), bound === null ? 'gone' : `${bound.name} ${bound.life}`);
  };
  table.copy(0, table.buckets, visit, T);
  return found;
}

test('M1, 114: a session is bound to the same life of its backend after it was written and read, whatever the slots and stamps are then', async (t) => {
  const { file } = fileIn(t);
  const bound = fc.record({ backend: fc.nat(2), life: fc.integer({ min: 1, max: 9 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 }),
      fc.array(bound, { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 65535 }),
      fc.integer({ min: 1, max: 65535 }),
      async (numbers, sessions, first, later) => {
        const before = named(BACKENDS, first);
        for (const [n, name] of BACKENDS.entries()) before.life(name).reach(numbers[n]!, T - 1000 + n);
        const table = makeTable();
        const expected = new Map<string, string>();
        randomKeys(sessions.length, 1).forEach((key, n) => {
          const { backend, life } = sessions[n]!;
          const name = BACKENDS[backend]!;
          table.adopt(key, 1, backend, before.life(name).stampOf(life), 0, T, T, new Row());
          expected.set([key.a, key.b, key.c, key.d].join(), `${name} ${Math.min(life, numbers[backend]!)}`);
        });
        assert.deepEqual(livesIn(table, before), expected);
        await file.write(description, before, table);
        const turned = named([...BACKENDS].reverse(), later);
        for (const [n, name] of BACKENDS.entries()) turned.life(name).reach(numbers[n]!, T - 1000 + n);
        const after = makeTable();
        await (await file.open(['ours']))!.load(turned, after);
        assert.deepEqual(livesIn(after, turned), expected);
      },
    ),
    { numRuns: 50 },
  );
});

test('M1, 114: a backend that was restarted while no limpet ran has none of the sessions of the file', async (t) => {
  const { file } = fileIn(t);
  const table = makeTable();
  fill(table, 60, 1);
  const before = named(BACKENDS);
  await file.write(description, before, table);
  const after = named(BACKENDS, 40);
  after.life('shop/b').reach(2, T);
  const read = makeTable();
  await (await file.open(['ours']))!.load(after, read);
  for (const bound of livesIn(read, after).values()) assert.match(bound, /^(?:shop\/[abc] 1|gone)$/);
  const { life } = after.resolve('shop', 'b')!;
  assert.equal(life.isNow(41), true);
});
