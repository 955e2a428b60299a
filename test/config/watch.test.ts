import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type WatchOptions, watchFile } from '../../src/config/watch.ts';
import { eventually } from '../support/eventually.ts';

/** Without the help of polls. */
const BY_EVENTS = { debounce: 30, poll: 3_600_000 };
/** Also where the system says nothing. */
const BY_POLLS = { debounce: 30, poll: 20 };

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'limpet-watch-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Watches, and notes what stood in the file at each change. */
function watched(t: TestContext, file: string, options: WatchOptions): string[] {
  const seen: string[] = [];
  const watch = watchFile(file, () => seen.push(readFileSync(file, 'utf8')), options);
  t.after(() => watch.close());
  return seen;
}

const last = (seen: readonly string[], text: string) =>
  eventually(`the change to ${text}`, () => seen.at(-1) === text, 20_000);

for (const [how, options] of [
  ['events', BY_EVENTS],
  ['polls too', BY_POLLS],
] as const) {
  test(`a file that is written, renamed over, deleted and made again is seen each time, by ${how}`, async (t) => {
    const file = join(folder(t), 'limpet.yaml');
    writeFileSync(file, 'one');
    const seen = watched(t, file, options);
    writeFileSync(file, 'two');
    await last(seen, 'two');
    for (const text of ['three', 'four']) {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
      await last(seen, text);
    }
    appendFileSync(file, ' and more');
    await last(seen, 'four and more');
    rmSync(file);
    await sleep(100);
    writeFileSync(file, 'five');
    await last(seen, 'five');
    assert.deepEqual([...new Set(seen)], ['two', 'three', 'four', 'four and more', 'five']);
  });

  test(`a ConfigMap that is turned to its next version is seen, by ${how}`, async (t) => {
    const directory = folder(t);
    const turn = (version: string, text: string): void => {
      mkdirSync(join(directory, version));
      writeFileSync(join(directory, version, 'limpet.yaml'), text);
      symlinkSync(version, join(directory, '..data_tmp'));
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
    };
    turn('..2026_01', 'one');
    symlinkSync(join('..data', 'limpet.yaml'), join(directory, 'limpet.yaml'));
    const seen = watched(t, join(directory, 'limpet.yaml'), options);
    for (const [version, text] of [
      ['..2026_02', 'two'],
      ['..2026_03', 'three'],
    ] as const) {
      turn(version, text);
      await last(seen, text);
    }
    rmSync(join(directory, '..2026_01'), { recursive: true });
    assert.deepEqual(seen, ['two', 'three']);
  });
}

test('a directory that is made anew is watched again, and a file behind a link is looked at', async (t) => {
  const directory = folder(t);
  const file = join(directory, 'etc', 'limpet.yaml');
  mkdirSync(join(directory, 'etc'));
  writeFileSync(file, 'one');
  const seen = watched(t, file, BY_POLLS);
  rmSync(join(directory, 'etc'), { recursive: true });
  await sleep(100);
  mkdirSync(join(directory, 'etc'));
  const elsewhere = join(directory, 'elsewhere.yaml');
  writeFileSync(elsewhere, 'two');
  symlinkSync(elsewhere, file);
  await last(seen, 'two');
  writeFileSync(elsewhere, 'three');
  await last(seen, 'three');
});

test('a file that is not there yet is new when it comes', async (t) => {
  const file = join(folder(t), 'later', 'limpet.yaml');
  const seen = watched(t, file, BY_POLLS);
  mkdirSync(join(file, '..'));
  writeFileSync(file, 'one');
  await last(seen, 'one');
});

test('the same bytes are no change, other files are none, and writes in a row are one', async (t) => {
  const directory = folder(t);
  const file = join(directory, 'limpet.yaml');
  writeFileSync(file, 'one');
  const seen = watched(t, file, { debounce: 300, poll: 20 });
  writeFileSync(file, 'one');
  utimesSync(file, 1, 1);
  writeFileSync(join(directory, 'other.yaml'), 'x');
  await sleep(600);
  assert.deepEqual(seen, []);
  for (const text of ['', 't', 'tw', 'two']) writeFileSync(file, text);
  await last(seen, 'two');
  assert.deepEqual(seen, ['two']);
});

test('a file that is written without end is read all the same', async (t) => {
  const file = join(folder(t), 'limpet.yaml');
  writeFileSync(file, 'one');
  const seen = watched(t, file, { debounce: 200, poll: 3_600_000 });
  let writes = 0;
  const writer = setInterval(() => writeFileSync(file, `${writes++}`), 5);
  t.after(() => clearInterval(writer));
  await eventually('a change', () => seen.length > 0, 20_000);
});

test('after close there is no change any more', async (t) => {
  const file = join(folder(t), 'limpet.yaml');
  writeFileSync(file, 'one');
  let changes = 0;
  const closed = watchFile(file, () => changes++, BY_POLLS);
  const seen = watched(t, file, BY_POLLS);
  closed.close();
  closed.close();
  writeFileSync(file, 'two');
  await last(seen, 'two');
  assert.equal(changes, 0);
});
