/** What it costs to hash a key, by its length, and to write and read a public id. `node bench/micro/key-hash.ts` */
import { randomBytes } from 'node:crypto';
import { Key } from '../../src/keys/key.ts';
import { KeyHash } from '../../src/keys/key-hash.ts';
import { format, parse } from '../../src/keys/public-id.ts';
import { printCost } from './print-cost.ts';

const TEXTS = 1000;

const hash = new KeyHash(randomBytes(16));
const key = new Key();
const ids: string[] = Array.from({ length: TEXTS }, () => randomBytes(16).toString('base64url'));

for (const length of [8, 24, 64, 512]) {
  // As they come: a part of a head that was read into a string at once.
  const heads = Array.from({ length: TEXTS }, () => {
    const id = randomBytes(length).toString('hex').slice(0, length);
    return Buffer.from(`GET / HTTP/1.1\r\nCookie: limpet=${id}; theme=dark\r\n\r\n`).latin1Slice();
  });
  const at = heads[0]!.indexOf('=') + 1;
  printCost(`hash of ${length} characters`, (n) => hash.hash(heads[n % TEXTS]!, at, at + length, key));
}
let letters = 0;
printCost('public id, written', (n) => {
  key.a = n;
  letters += format(key).length;
});
printCost('public id, read', (n) => parse(ids[n % TEXTS]!, key));
if (letters === 0) throw new Error('nothing was written');
