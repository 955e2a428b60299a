import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NewUsers } from '../../../src/sessions/users/new-users.ts';
import { UserHash } from '../../../src/sessions/users/user-hash.ts';
import { UserNames, userId } from '../../../src/sessions/users/user-names.ts';

const SECRET = new Uint8Array(32).fill(7);
const shop = new UserHash(SECRET, 'shop');

describe('whose session it is', () => {
  test('one name is one user, wherever it comes from', () => {
    const field = shop.ofField('anna')!;
    assert.deepEqual(shop.ofText('anna'), field);
    assert.equal(field.name, 'anna');
    assert.deepEqual(shop.ofField('  anna '), field);
    const wide = shop.ofText('Jürgen 🚲')!;
    assert.deepEqual(shop.ofField(Buffer.from('Jürgen 🚲').latin1Slice()), wide);
    assert.equal(wide.name, 'Jürgen 🚲');
  });

  test('another name, another pool or another secret is another user', () => {
    const { a, b } = shop.ofField('anna')!;
    for (const other of [
      shop.ofField('anna2'),
      shop.ofField('Anna'),
      new UserHash(SECRET, 'api').ofField('anna'),
      new UserHash(new Uint8Array(32).fill(8), 'shop').ofField('anna'),
    ]) {
      assert.notDeepEqual([other!.a, other!.b], [a, b]);
    }
  });

  test('what is no visible text of 256 bytes at most is no name', () => {
    for (const value of ['', '  ', 'a\tb', 'a\x00', 'a\x7f', 'x'.repeat(257), '\xff\xfe', '\xc2\x85', '\xe2\x80\xae'])
      assert.equal(shop.ofField(value), null, JSON.stringify(value));
    assert.equal(shop.ofText('ü'.repeat(129)), null);
    assert.equal(shop.ofText('\ud800'), null);
    assert.notEqual(shop.ofText('ü'.repeat(128)), null);
    assert.notEqual(shop.ofField('x'.repeat(256)), null);
  });

  test('names are found by hash, the ones heard of last', () => {
    const names = new UserNames(SECRET, null, 2);
    const [one, two, three] = ['one', 'two', 'three'].map((name) => shop.ofText(name)!);
    names.add([one!, two!]);
    assert.equal(names.name(one!.a, one!.b), 'one');
    names.add([three!]);
    assert.equal(names.name(two!.a, two!.b), null);
    assert.equal(names.name(one!.a, one!.b), 'one');
    assert.equal(names.name(0, 0), null);
    assert.match(userId(one!.a, one!.b), /^[0-9a-f]{16}$/);
  });

  test('a worker tells of each user once', () => {
    const users = new NewUsers();
    const anna = shop.ofText('anna')!;
    users.note(anna);
    users.note(shop.ofText('anna')!);
    assert.deepEqual(users.drain(), [anna]);
    users.note(anna);
    assert.deepEqual(users.drain(), []);
  });
});
