import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SessionPage } from '../../src/admin/control-plane.ts';
import { Key } from '../../src/keys/key.ts';
import { format } from '../../src/keys/public-id.ts';
import { Row } from '../../src/sessions/table/table.ts';
import { UserNames } from '../../src/sessions/users/user-names.ts';
import { LiveLimpet } from './live-limpet.ts';

const row = new Row();

/** A session of this user, of whom nobody but the table has been told. */
function session(limpet: LiveLimpet, pool: string, name: string | null): string {
  const { index, backends, name: poolName } = limpet.pools.find((p) => p.name === pool)!;
  const key = new Key();
  key.set(index + 1, ++made, 7, 7);
  limpet.table.adopt(key, index, backends[0]!.slot, backends[0]!.generation, 0, limpet.now, limpet.now, row);
  // Another instance hashes alike, and this one has never heard the name.
  const user = name === null ? null : new UserNames(new Uint8Array(32).fill(1)).find(poolName, name)!;
  if (user !== null) limpet.table.setUser(key, user.a, user.b);
  return format(key);
}
let made = 0;

async function list(limpet: LiveLimpet, query: object): Promise<SessionPage['sessions']> {
  const page = await limpet.control.sessions({ limit: 100, ...query });
  assert.ok(page.ok);
  return page.value.sessions;
}

describe('users in the admin API', () => {
  test('a list of the sessions of a user, in one pool and in all of them', async () => {
    const limpet = new LiveLimpet();
    const [one, two, three] = [
      session(limpet, 'shop', 'anna'),
      session(limpet, 'shop', 'anna'),
      session(limpet, 'api', 'anna'),
    ];
    session(limpet, 'shop', 'bert');
    session(limpet, 'shop', null);
    // By hash: that nobody has told the name here makes no difference.
    assert.deepEqual(
      (await list(limpet, {})).map(({ user }) => user),
      [null, null, null, null, null],
    );
    const keys = async (query: object): Promise<string[]> => (await list(limpet, query)).map(({ key }) => key).sort();
    assert.deepEqual(await keys({ user: 'anna' }), [one, two, three].sort());
    assert.deepEqual(await keys({ user: 'anna', pool: 'shop' }), [one, two].sort());
    assert.deepEqual(await keys({ user: 'Anna' }), []);
    assert.deepEqual(
      (await list(limpet, { user: 'anna' })).map(({ user }) => user),
      ['anna', 'anna', 'anna'],
    );
    assert.equal((await list(limpet, {})).filter(({ user }) => user === 'anna').length, 3);
  });

  test('a session shows whose it is', async () => {
    const limpet = new LiveLimpet();
    const key = session(limpet, 'shop', 'anna');
    const seen = async (): Promise<string | null> => {
      const view = await limpet.control.session(key);
      assert.ok(view.ok);
      return view.value.user;
    };
    assert.equal(await seen(), null);
    limpet.users.add([limpet.users.find('shop', 'anna')!]);
    assert.equal(await seen(), 'anna');
  });

  test('what is no name is refused', async () => {
    const page = await new LiveLimpet().control.sessions({ limit: 1, user: 'a\nb' });
    assert.deepEqual([page.ok, page.ok ? 0 : page.status], [false, 400]);
  });
});
