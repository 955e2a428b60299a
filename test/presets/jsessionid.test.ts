import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { ask } from '../support/ask.ts';
import { CookieJar } from '../support/cookie-jar.ts';
import { often } from '../support/long.ts';
import { startPreset } from '../support/preset.ts';
import { countWithClients } from './counting-clients.ts';
import { ServletContainer } from './servlet-container.ts';

const CLIENTS = often(40, 100);

interface Reply {
  readonly status: number;
  readonly id: string;
  readonly count: number;
}

/** One browser. */
class Browser {
  readonly jar = new CookieJar();
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async post(path: string): Promise<Reply> {
    const answer = await ask(this.#url + path, {
      method: 'POST',
      headers: this.jar.headers,
      body: '{"user":"someone"}',
    });
    this.jar.take(answer);
    return { status: answer.status, ...(JSON.parse(answer.body) as { id: string; count: number }) };
  }
}

test(`JSESSIONID: ${CLIENTS} clients log in, count and log out, and go on at the replica when their server dies (17, 33)`, async (t) => {
  const containers = ['tomcat1', 'tomcat2', 'tomcat3'].map((id) => new ServletContainer(id));
  for (const [i, container] of containers.entries()) container.replica = containers[(i + 1) % containers.length]!;
  const servers = await Promise.all(containers.map(({ backend }) => backend.start()));
  t.after(() => Promise.all(servers.map((server) => server.stop())));
  const limpet = await startPreset('jsessionid', servers);
  t.after(limpet.stop);

  const app = { logIn: '/login', count: '/count', logOut: '/logout' };
  const homes = await countWithClients(limpet.url, app, CLIENTS, 6);
  for (const { id } of servers) {
    const share = homes.filter((home) => home === id).length;
    assert.ok(share > homes.length / 10, `${id} has ${share} of ${homes.length}`);
  }

  const browsers = Array.from({ length: 30 }, () => new Browser(limpet.url));
  const before = await Promise.all(browsers.map((browser) => browser.post('/login')));
  await Promise.all(browsers.map((browser) => browser.post('/count')));
  const dead = before[0]!.id;
  const index = servers.findIndex(({ id }) => id === dead);
  const replica = servers[(index + 1) % servers.length]!.id;
  await servers[index]!.stop();
  for (let count = 2; count <= 5; count++) {
    for (const [i, browser] of browsers.entries()) {
      const home = before[i]!.id === dead ? replica : before[i]!.id;
      assert.deepEqual(await browser.post('/count'), { status: 200, id: home, user: 'someone', count });
      assert.ok(browser.jar.get('JSESSIONID')?.endsWith(`.${home}`), 'the id names the server that has the session');
    }
  }
  assert.equal(await new Admin(limpet.admin).metric('limpet_errors_total'), 0);
  assert.equal(limpet.stderr(), '');
});
