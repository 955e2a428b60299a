import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SharedState } from '../../src/backends/shared-state.ts';
import { ERRORS } from '../../src/errors.ts';
import type { AttemptEvents } from '../../src/exchange/attempt-events.ts';
import { Exchange } from '../../src/exchange/exchange.ts';
import type { PoolRuntime } from '../../src/exchange/pool-runtime.ts';
import { type Head, Parse } from '../../src/http1/head.ts';
import { ImaginedClient } from '../../src/proxy/explain/imagined-client.ts';
import { Handler } from '../../src/proxy/handler.ts';
import type { RequestEnds } from '../../src/proxy/request-ends.ts';
import { RequestHeads } from '../../src/proxy/request-heads.ts';
import { RequestIds } from '../../src/proxy/request-ids.ts';
import { REQUEST_STEPS } from '../../src/proxy/request-steps.ts';
import { type AdmissionStep, type Gate, type SessionSearch, WAIT } from '../../src/proxy/steps/admission.ts';
import type { Route } from '../../src/routing/router.ts';
import type { SessionStore } from '../../src/sessions/store/store.ts';
import type { SearchedRows } from '../../src/sessions/table/searched-rows.ts';
import { threadWheel } from '../../src/timing/thread-wheel.ts';
import { WallClock } from '../../src/timing/wall-clock.ts';

type Said = ReturnType<AdmissionStep['enter']>;

/** A handler with one route, whose steps say what they are told to say and note that they were entered. */
class Course implements RequestEnds {
  readonly entered: string[] = [];
  readonly asked: string[] = [];
  readonly answers: string[] = [];
  gate: Gate | null = null;
  readonly handler: Handler<Course>;

  /** @param says by the name of the step; the others have nothing to do for the route */
  constructor(says: Readonly<Record<string, Said>>) {
    const step = (name: string): SessionSearch => ({
      isFor: () => {
        this.asked.push(name);
        return name in says;
      },
      enter: (_x, _runtime, gate) => {
        this.entered.push(name);
        this.gate = gate;
        return says[name]!;
      },
      again: () => null,
      ask: () => {},
    });
    const session = step('session');
    const pool = { index: 0, config: { retry: { idempotencyKey: false } } };
    const route = { pool, sticky: true, index: 0, path: '/', csrf: null } as unknown as Route;
    this.handler = new Handler<Course>({
      wheel: threadWheel,
      clock: new WallClock(),
      heads: new RequestHeads(),
      ids: new RequestIds('test-'),
      router: { match: (head) => (head.path === '/' ? route : null) },
      pools: [{ pool, active: 0 } as unknown as PoolRuntime],
      state: {} as SharedState,
      table: {} as SearchedRows,
      store: {} as SessionStore,
      steps: REQUEST_STEPS.map(({ name }) => (name === 'session' ? session : step(name))),
      session,
      explain: null,
      ends: () => this,
    });
  }

  /** Has a request handled. */
  request(lines: string): Exchange {
    const bytes = Buffer.from(`${lines}\r\nHost: a.example\r\n\r\n`, 'latin1');
    const head = this.handler.heads.of(100);
    assert.equal(head.parseRequest(bytes, 0, bytes.length), Parse.done);
    const client = new ImaginedClient({ trusted: false, address: '192.0.2.1', secure: false, host: 'a.example' });
    const x = new Exchange(client, {} as AttemptEvents);
    x.reset();
    x.text = head.text;
    x.method = head.method;
    this.handler.handle(x, head);
    return x;
  }

  begin(): void {
    this.answers.push('sent');
  }

  unserved(): void {
    this.answers.push('unserved');
  }

  answer(_x: Exchange, kind: { readonly code: string }): void {
    this.answers.push(kind.code);
  }

  answerHere(_x: Exchange, head: Head): void {
    this.answers.push(`here ${head.method}`);
  }

  defect(_x: Exchange, error: unknown): void {
    this.answers.push(String(error));
  }
}

test('118: a request enters only the steps that have something to do for its route, in their order, up to the one that refuses it', () => {
  const course = new Course({ turn: null, session: null, csrf: null, simplex: ERRORS.METHOD_NOT_ALLOWED });
  course.request('POST / HTTP/1.1');
  assert.deepEqual(course.entered, ['csrf', 'session', 'simplex']);
  assert.deepEqual(course.answers, ['METHOD_NOT_ALLOWED']);
  course.request('POST / HTTP/1.1');
  assert.deepEqual(course.entered.slice(3), ['csrf', 'session', 'simplex']);
  // Steps are asked for a route once, not for each of its requests.
  assert.equal(course.asked.length, 7);
});

test('118: a request that has waited in a step goes on behind it, and not when its exchange serves another one by then', () => {
  const course = new Course({ csrf: null, session: WAIT, user: ERRORS.TOO_MANY_SESSIONS });
  const x = course.request('GET / HTTP/1.1');
  assert.deepEqual([course.entered, course.answers], [['csrf', 'session'], []]);
  course.gate!.resume(x, x.serial - 1);
  assert.deepEqual(course.answers, []);
  course.gate!.resume(x, x.serial);
  assert.deepEqual([course.entered.slice(2), course.answers], [['user'], ['TOO_MANY_SESSIONS']]);
});

test('what HTTP says of a request comes before its route, and its route before any step', () => {
  const course = new Course({ csrf: null });
  course.request('TRACE / HTTP/1.1\r\nMax-Forwards: 0');
  course.request('GET / HTTP/1.1\r\nExpect: a-cup-of-tea');
  course.request('GET /elsewhere HTTP/1.1');
  assert.deepEqual(course.answers, ['here TRACE', 'EXPECTATION_FAILED', 'NO_ROUTE']);
  assert.deepEqual(course.entered, []);
});
