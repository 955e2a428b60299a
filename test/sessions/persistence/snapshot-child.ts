/** Writes a snapshot again and again, until it is killed. Arguments: file, number of sessions. */
import { SnapshotFile } from '../../../src/sessions/persistence/snapshot-file.ts';
import { BACKENDS, description, fill, LogLines, makeTable, named, T } from '../named-backends.ts';

const [path = '', count = ''] = process.argv.slice(2);
const table = makeTable(2 * Number(count));
fill(table, Number(count), 1);
const file = new SnapshotFile(path, new LogLines(), () => T);
for (let n = 0; ; n++) {
  await file.write(description, named(BACKENDS), table);
  process.stdout.write(`${n}\n`);
}
