import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { StartError } from '../../src/errors-start.ts';
import { AuditFile } from '../../src/logging/audit-file.ts';
import { eventually } from '../support/eventually.ts';

function make(t: TestContext, name = 'audit.jsonl', longest?: number) {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-audit-'));
  const path = name.startsWith('/') ? name : join(directory, name);
  const troubles: (string | null)[] = [];
  let lost = 0;
  const file = new AuditFile(
    path,
    {
      onTrouble: (problem) => troubles.push(problem),
      onLost: (lines) => {
        lost += lines;
      },
    },
    longest,
  );
  t.after(async () => {
    await file.close(100);
    rmSync(directory, { recursive: true, force: true });
  });
  return { directory, path, file, troubles, lost: () => lost };
}

test('a missing file is created for its owner alone; one that is there is appended to', async (t) => {
  const { path, file } = make(t);
  file.open();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  file.write('a\n');
  await file.close();
  const again = new AuditFile(path, { onTrouble() {}, onLost() {} });
  again.open();
  again.write('b\nc\n');
  await again.close();
  assert.equal(readFileSync(path, 'utf8'), 'a\nb\nc\n');
});

test('a file that cannot be opened is an error that says what to do', (t) => {
  const { path, file } = make(t, 'missing/audit.jsonl');
  assert.throws(
    () => file.open(),
    (error: Error) => error instanceof StartError && error.message.includes(path) && /create it/.test(error.message),
  );
});

test('renamed and opened again, not a line is lost or torn', async (t) => {
  const { path, file, troubles } = make(t);
  file.open();
  const wanted: string[] = [];
  for (let n = 0; n < 1_000; n++) {
    wanted.push(`${n} ${'x'.repeat(n)}`);
    file.write(`${wanted.at(-1)}\n`);
    if (n % 100 === 50) {
      renameSync(path, `${path}.${n}`);
      file.reopen();
      // A rotation always finds a file to rename.
      await eventually('the new file', () => statSync(path, { throwIfNoEntry: false }));
    }
  }
  await file.close();
  const files = [...Array.from({ length: 10 }, (_, n) => `${path}.${n * 100 + 50}`), path];
  const texts = files.map((name) => readFileSync(name, 'utf8'));
  for (const text of texts) assert.ok(text === '' || text.endsWith('\n'));
  assert.deepEqual(texts.join('').split('\n').slice(0, -1), wanted);
  assert.deepEqual(troubles, []);
});

test('while its directory is gone lines wait, and those beyond the bound are counted; it goes on when it is back', async (t) => {
  const { directory, path, file, troubles, lost } = make(t, 'logs/audit.jsonl', 40);
  const logs = join(directory, 'logs');
  mkdirSync(logs);
  file.open();
  file.write('before\n');
  await eventually('the first line', () => readFileSync(path, 'utf8') === 'before\n');
  rmSync(logs, { recursive: true });
  file.reopen();
  file.write('one that waits\n');
  await eventually('the trouble', () => troubles.length === 1);
  assert.match(troubles[0]!, /no such directory/);
  file.write('two that waits\n');
  file.write('three is too many\nand four is too\n');
  assert.equal(lost(), 2);
  mkdirSync(logs);
  await eventually('the lines that waited', () => {
    const text = statSync(path, { throwIfNoEntry: false }) === undefined ? '' : readFileSync(path, 'utf8');
    return text === 'one that waits\ntwo that waits\n';
  });
  await eventually('the end of the trouble', () => troubles.at(-1) === null);
  file.write('after\n');
  await file.close();
  assert.match(readFileSync(path, 'utf8'), /after\n$/);
  assert.equal(lost(), 2);
});

test('a file that is deleted is made again within a second or so', async (t) => {
  const { path, file, lost } = make(t);
  file.open();
  rmSync(path);
  await eventually('a new file', () => {
    file.write('line\n');
    return statSync(path, { throwIfNoEntry: false });
  });
  assert.equal(lost(), 0);
});

test('a full disk: said once, counted, nothing thrown; the end does not wait for it for ever', async (t) => {
  const { file, troubles, lost } = make(t, '/dev/full', 100);
  file.open();
  for (let n = 0; n < 50; n++) file.write(`line ${n}\n`);
  await eventually('the trouble', () => troubles.length > 0);
  assert.equal(troubles.length, 1);
  assert.match(troubles[0]!, /disk is full/);
  for (let n = 50; n < 100; n++) file.write(`line ${n}\n`);
  await file.close(50);
  assert.equal(lost(), 100);
});

test('what waits is written synchronously at the end of a process', (t) => {
  const { path, file } = make(t);
  writeFileSync(path, 'old\n');
  file.open();
  file.write('under way\n');
  file.write('waits\n');
  file.flushSync();
  assert.match(readFileSync(path, 'utf8'), /^old\n(under way\n)?waits\n/);
});
