import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { runLimpet } from '../cli/run-limpet.ts';
import { Admin } from '../support/admin.ts';
import { type AppProcess, startApps } from '../support/app-process.ts';
import { type Answered, type AskOptions, ask } from '../support/ask.ts';
import { CookieJar } from '../support/cookie-jar.ts';
import { EventReader } from '../support/event-reader.ts';
import { eventually } from '../support/eventually.ts';
import type { LimpetProcess } from '../support/limpet.ts';
import { startExampleFile } from './start-scenario.ts';

const SERVER = new URL('./streaming/server.ts', import.meta.url);

interface Me {
  readonly user: string;
  /** Public id of the session. */
  readonly session: string;
  /** Limpet-Session-Moved of this request. */
  readonly moved: string | null;
}

/** A television, telephone or tablet: one cookie jar. */
class Device {
  readonly #jar = new CookieJar();
  readonly #base: string;

  constructor({ url }: LimpetProcess) {
    this.#base = url;
  }

  async ask(method: string, path: string, options: AskOptions = {}): Promise<Answered> {
    return this.#jar.take(await ask(this.#base + path, { ...options, method, headers: this.#jar.headers }));
  }

  /** Logs in. Its server is the one that answered. */
  async logIn(user: string): Promise<Answered> {
    const answer = await this.ask('POST', `/api/login?user=${user}`);
    assert.equal(answer.status, 204, answer.body);
    assert.equal(answer.headers['limpet-user'], undefined);
    return answer;
  }

  async me(): Promise<Me & { server: string }> {
    const answer = await this.ask('GET', '/api/me');
    assert.equal(answer.status, 200, answer.body);
    return { ...(JSON.parse(answer.body) as Me), server: answer.backend };
  }

  async position(film: string): Promise<number> {
    return (JSON.parse((await this.ask('GET', `/api/position?film=${film}`)).body) as { at: number }).at;
  }

  /** Settles when the film has begun. */
  async watch(film: string): Promise<EventReader> {
    const stream = await EventReader.open(`${this.#base}/api/watch?film=${film}`, this.#jar.headers);
    assert.equal(stream.status, 200);
    await stream.heard(({ event }) => event === 'at');
    return stream;
  }

  /**
   * The same as a body of unknown length: settles with the length that it had when it was whole; rejects when it breaks
   * off.
   */
  download(film: string): { readonly begun: Promise<void>; readonly whole: Promise<number> } {
    const begun = Promise.withResolvers<void>();
    const whole = Promise.withResolvers<number>();
    whole.promise.catch(() => {});
    const request = get(
      `${this.#base}/api/watch?film=${film}`,
      { headers: this.#jar.headers, agent: false },
      (response) => {
        let length = 0;
        response.on('data', (bytes: Buffer) => {
          length += bytes.length;
          begun.resolve();
        });
        response.on('error', whole.reject);
        response.on('end', () => whole.resolve(length));
      },
    );
    request.on('error', begun.reject);
    return { begun: begun.promise, whole: whole.promise };
  }
}

/** Seconds of the film that a stream has shown last. */
function at(stream: EventReader): number {
  return Number(stream.events.findLast(({ event }) => event === 'at')!.data.at);
}

/** Settles when the stream has shown so many more seconds of the film. */
function goesOn(stream: EventReader, seconds = 5): Promise<unknown> {
  const from = at(stream);
  return eventually('the film to go on', () => at(stream) >= from + seconds, 30_000);
}

describe('streaming: two devices for each account, over three servers', () => {
  let servers: AppProcess[];

  before(async () => {
    servers = await startApps(SERVER, 'edge1', 'edge2', 'edge3');
    for (const { url } of servers) {
      const peers = servers.map((one) => one.url).filter((one) => one !== url);
      assert.equal((await ask(`${url}/peers`, { method: 'PUT', body: JSON.stringify(peers) })).status, 204);
    }
  });
  after(() => Promise.all(servers?.map((server) => server.kill()) ?? []));

  function start(env: Record<string, string> = {}): Promise<LimpetProcess> {
    // Servers of a busy machine are not dead.
    return startExampleFile('stream', servers, { PROBE: '30s', ...env });
  }

  const curtain = (film: string): Promise<unknown> =>
    Promise.all(servers.map(({ url }) => ask(`${url}/curtain?film=${film}`, { method: 'POST' })));

  test('a third device ends the quietest one, and goes on where the film was; a server drains while films run', async (t) => {
    const limpet = await start();
    t.after(limpet.stop);
    const admin = new Admin(limpet.admin);
    const lastSeen = async (key: string): Promise<number> =>
      Date.parse(
        (JSON.parse((await ask(`${limpet.admin}/api/v1/sessions/${key}`)).body) as { lastSeen: string }).lastSeen,
      );

    const television = new Device(limpet);
    const planted = await television.ask('GET', '/api/me');
    assert.equal(planted.status, 401);
    await television.logIn('ada');
    const tv = await television.me();
    assert.notEqual(tv.session, (JSON.parse(planted.body) as Me).session, 'the log-in gives the session another id');
    const telephone = new Device(limpet);
    await telephone.logIn('ada');
    const phone = await telephone.me();
    // One film each, and one of them has been put down.
    const onTv = await television.watch('news');
    const onPhone = await telephone.watch('alien');
    await goesOn(onTv);
    assert.equal((await television.ask('POST', '/api/pause')).status, 204);
    await eventually(
      'the television to have been quiet for longer',
      async () => (await lastSeen(phone.session)) > (await lastSeen(tv.session)) + 1_000,
      30_000,
    );
    assert.equal(onTv.ended, false);
    // Others may have as many.
    const berts = await Promise.all(
      ['news', 'alien'].map(async (film) => {
        const device = new Device(limpet);
        await device.logIn('bert');
        return device.watch(film);
      }),
    );

    // The third device, on another server: a browser that has no session yet looks at the page until it is there.
    let tablet = new Device(limpet);
    await eventually('a device on another server', async () => {
      tablet = new Device(limpet);
      return (await tablet.ask('GET', '/api/me')).backend !== phone.server;
    });
    const { backend } = await tablet.logIn('ada');
    assert.notEqual(backend, phone.server);
    await eventually('the stream of the television to end', () => onTv.ended, 30_000);
    assert.equal(onTv.ended, 'cut');
    const late = await television.ask('GET', '/api/me');
    assert.deepEqual([late.status, late.code], [401, '']);
    assert.notEqual((JSON.parse(late.body) as Me).session, tv.session, 'a fresh session, which is nobody’s');
    await goesOn(onPhone);
    for (const stream of berts) await goesOn(stream);
    const keys = (await eventually('the sessions of the user', async () => {
      const answer = await ask(`${limpet.admin}/api/v1/sessions?user=ada`);
      const { sessions } = JSON.parse(answer.body) as { sessions: { key: string }[] };
      return sessions.length === 2 && sessions.map(({ key }) => key);
    })) as string[];
    assert.ok(keys.includes(phone.session) && !keys.includes(tv.session));

    // Every device knows where the user is in a film: the servers copy it to each other.
    const seen = { news: at(onTv), alien: at(onPhone) };
    await eventually('the copies', async () => (await tablet.position('alien')) >= seen.alien);
    assert.ok((await tablet.position('news')) >= seen.news);
    const onTablet = await tablet.watch('news');
    assert.ok(Number(onTablet.events[0]!.data.at) > seen.news);
    assert.equal(onTablet.events[0]!.data.server, backend);

    // The server of the telephone is to be switched off. What runs there goes on, what is new goes elsewhere.
    const file = telephone.download('alien');
    await file.begun;
    const drain = (...args: string[]) =>
      runLimpet(['backends', 'drain', `watch/${phone.server}`, '--admin', limpet.admin, ...args]);
    const drained = await drain();
    assert.deepEqual([drained.status, drained.stderr], [0, '']);
    const others = await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const device = new Device(limpet);
        const answer = await device.logIn(`user${i}`);
        return { answer, stream: await device.watch('late') };
      }),
    );
    for (const { answer, stream } of others) {
      assert.notEqual(answer.backend, phone.server);
      assert.equal(stream.events[0]!.data.server, answer.backend);
    }
    await goesOn(onPhone);
    assert.equal((await telephone.me()).server, phone.server);
    assert.equal((await admin.backend('watch', phone.server)).state, 'drain');

    // All films end, and none of them is cut.
    for (const film of ['news', 'alien', 'late']) await curtain(film);
    const streams = [onPhone, onTablet, ...berts, ...others.map(({ stream }) => stream)];
    await eventually('all streams to end', () => streams.every(({ ended }) => ended !== false), 30_000);
    for (const stream of streams) {
      assert.equal(stream.ended, 'whole');
      assert.equal(stream.events.at(-1)!.event, 'end');
      const shown = stream.events.slice(0, -1).map(({ data }) => Number(data.at));
      assert.ok(shown.every((second, i) => i === 0 || second > shown[i - 1]!));
    }
    assert.ok((await file.whole) > 0);

    // What is left there moves to where the copies are: still logged in, still at the same second.
    const where = await telephone.position('alien');
    const moved = await drain('--wait', '--deadline', '100ms');
    assert.deepEqual([moved.status, moved.stderr], [0, '']);
    const there = await telephone.me();
    assert.notEqual(there.server, phone.server);
    assert.deepEqual([there.user, there.session], ['ada', phone.session]);
    assert.equal(there.moved, `from=${phone.server}; reason=drain`);
    assert.equal(await telephone.position('alien'), where);

    assert.equal((await telephone.ask('POST', '/api/logout')).status, 204);
    assert.equal((await telephone.ask('GET', '/api/me')).status, 401);
    assert.equal(await admin.metric('limpet_errors_total'), 0);
    assert.equal(limpet.stderr(), '');
  });

  test('a film that runs keeps its session, however long; a device without one is logged out when it has been idle', async (t) => {
    const limpet = await start({ IDLE: '4s' });
    t.after(limpet.stop);
    const [watching, browsing] = [new Device(limpet), new Device(limpet)];
    await watching.logIn('carl');
    await browsing.logIn('carl');
    const { session } = await watching.me();
    const left = await browsing.me();
    const stream = await watching.watch('long');
    // Twice as long as the idle limit.
    await goesOn(stream, 80);
    const gone = await browsing.ask('GET', '/api/me');
    const said = JSON.parse(gone.body) as { session: string; expired: string };
    assert.deepEqual([gone.status, said.expired], [401, 'idle']);
    assert.notEqual(said.session, left.session);
    assert.equal((await watching.me()).session, session);
    assert.equal(stream.ended, false);
    await curtain('long');
    await eventually('the end of the film', () => stream.ended === 'whole', 30_000);
    assert.equal(limpet.stderr(), '');
  });
});
