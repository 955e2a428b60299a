import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { type Answered, ask } from '../support/ask.ts';
import { CookieJar } from '../support/cookie-jar.ts';

/** How an application takes a login, a count and a logout, which answer `{ id, user, count }`. */
export interface CountingApp {
  readonly logIn: string;
  readonly count: string;
  readonly logOut: string;
}

/**
 * Lets clients with a cookie jar each log in, count and log out, all at once and over shared connections, and then do
 * it all again: the counter of each must go up by one each time, on one server for as long as it is logged in. Returns
 * the servers that they were on.
 */
export async function countWithClients(url: string, app: CountingApp, clients: number, counts: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 40 });
  const homes: string[] = [];
  const client = async (user: string): Promise<void> => {
    const jar = new CookieJar();
    const post = async (path: string): Promise<{ id: string; user: string; count: number }> => {
      const answer: Answered = await ask(url + path, {
        method: 'POST',
        headers: { ...jar.headers, 'content-type': 'application/json' },
        body: JSON.stringify({ user }),
        agent,
      });
      assert.equal(answer.status, 200, `${path} of ${user}: ${answer.body}`);
      jar.take(answer);
      return JSON.parse(answer.body) as { id: string; user: string; count: number };
    };
    for (let visit = 0; visit < 2; visit++) {
      const { id } = await post(app.logIn);
      homes.push(id);
      for (let count = 1; count <= counts; count++) assert.deepEqual(await post(app.count), { id, user, count });
      assert.deepEqual(await post(app.logOut), { id, user, count: counts });
    }
  };
  try {
    await Promise.all(Array.from({ length: clients }, (_, i) => client(`user ${i}`)));
  } finally {
    agent.destroy();
  }
  return homes;
}
