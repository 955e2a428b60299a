/**
 * Shapes of what the admin API answers, each with what it means. The types of the answers follow from them, and so does
 * docs/reference/openapi.json. Times are ISO 8601 in UTC.
 */
import * as z from 'zod';
import type { MovePlan } from '../balancing/planned-moves.ts';
import { ERROR_CODES, type ErrorCode } from '../errors.ts';
import { OUTCOMES } from '../metrics/outcomes.ts';
import type { Explanation } from '../proxy/explain/explanation.ts';
import { MOVE_REASONS } from '../sessions/table/move-reasons.ts';

const count = (meaning: string) => z.int().min(0).describe(meaning);
const time = (meaning: string) => z.iso.datetime({ precision: 3 }).describe(meaning);
const errorCode = z.enum(ERROR_CODES as readonly [ErrorCode, ...ErrorCode[]]);

/** That something is as it should be. */
export const healthSchema = z.strictObject({
  status: z.enum(['ok', 'ready']).describe('Alive, or ready for traffic.'),
});

const listenerSchema = z.strictObject({
  bind: z.string().describe('Address as configured.'),
  address: z.string().describe('Where it really listens: the port that a configured port of 0 became.'),
  connections: count('Open connections of clients.'),
});

const lastReloadSchema = z.strictObject({
  at: time('When it was.'),
  ok: z.boolean().describe('False: the file was refused, and everything is as before.'),
  changes: count('Number of keys that changed.'),
  errors: count('Number of mistakes that the file was refused for.'),
});

/** Where sessions are kept besides this process. */
export const storeSchema = z.strictObject({
  type: z.enum(['memory', 'redis']).describe('Kind of the store.'),
  up: z.boolean().describe('False: it does not answer, and limpet goes on by itself. The memory is always up.'),
  since: time('When it came up or went down.'),
  pending: count('Changes that it has not been told yet.'),
});

/** What the running limpet says of itself. */
export const statusSchema = z.strictObject({
  version: z.string().describe('Version of limpet.'),
  state: z.enum(['starting', 'ready', 'stopping']).describe('Whether limpet takes traffic.'),
  startedAt: time('When it started.'),
  uptime: z.number().min(0).describe('Seconds since the start.'),
  workers: count('Threads that carry traffic right now.'),
  workerRestarts: count('Workers that ended unexpectedly and were started again.'),
  listeners: z.array(listenerSchema).readonly().describe('Addresses that limpet listens on.'),
  sessions: count('Live sessions.'),
  requests: count('Requests since the start.'),
  activeRequests: count('Requests in flight.'),
  configGeneration: count('1 at the start, one more with each reload.'),
  reloadable: z.boolean().describe('False: limpet runs without a configuration file, and there is none to read again.'),
  lastReload: lastReloadSchema
    .nullable()
    .describe('How the latest reload went, whatever asked for it; null: the configuration was not read again.'),
  store: storeSchema.describe('Where sessions are kept besides this process.'),
});

/** A backend, as it is now. */
export const backendSchema = z.strictObject({
  id: z.string().describe('Name of the backend in its pool.'),
  url: z.string().describe('Its address.'),
  departing: z
    .boolean()
    .describe('True: it is not in the configuration any more, and goes when its last session and request have ended.'),
  discovered: z.boolean().describe('True: discovery has found it, and it does not stand in the file.'),
  state: z.enum(['ready', 'drain', 'maintenance']).describe('What the operator wants.'),
  health: z
    .enum(['unknown', 'up', 'down'])
    .describe('What probes and traffic say; a backend that traffic took out for a while is down.'),
  weight: count('Share of new sessions.'),
  activeRequests: count('Requests in flight.'),
  sessions: count('Sessions that are bound to it.'),
  requests: count('Requests that it has answered.'),
  failures: count('Attempts that failed.'),
  latency: z
    .number()
    .nullable()
    .describe('Moving average of the time to the response header, in ms; null: not measured yet.'),
  lastChange: time('When state or health changed last.'),
  life: count('Which life of its process this is, as far as limpet knows: one more with each restart.'),
  lifeBegan: time('When that life began.')
    .nullable()
    .describe('When that life began; null: before limpet knew the backend.'),
  lastError: errorCode
    .nullable()
    .describe('What failed last; null: nothing yet, or it has been well for ten minutes since.'),
  lastErrorAt: time('When that was.').nullable().describe('When that was; null as lastError.'),
});

/** A pool with its backends. */
export const poolSchema = z.strictObject({
  name: z.string().describe('Name of the pool.'),
  balance: z.string().describe('How the backend of a new session is chosen.'),
  sessions: count('Sessions of the pool.'),
  backends: z.array(backendSchema).readonly().describe('Its backends, departing ones too.'),
});

/** All pools. */
export const poolsSchema = z.strictObject({ pools: z.array(poolSchema).readonly().describe('The pools.') });

/** A session. */
export const sessionSchema = z.strictObject({
  key: z.string().describe('Public id of the session, never what the client sends.'),
  pool: z.string().describe('Name of its pool.'),
  backend: z.string().nullable().describe('Id of its backend; null: that is not in the configuration any more.'),
  created: time('When it began.'),
  lastSeen: time('When its last request came.'),
  idleExpiresAt: time('When it expires if no request comes.'),
  endsAt: time('When it ends, whatever comes.'),
  requests: count('Its requests.'),
  by: z.string().describe('Where its key was found, as in affinity.'),
  user: z.string().nullable().describe('Whose session it is; null: not known.'),
  moves: count('How often it has moved.'),
});

/** A part of the list of sessions. */
export const sessionPageSchema = z.strictObject({
  sessions: z.array(sessionSchema).readonly().describe('The sessions.'),
  cursor: z.string().nullable().describe('What to ask the next page with; null: this was the last one.'),
});

const sessionEndSchema = z.strictObject({
  time: time('When it was.'),
  event: z
    .enum(['ended', 'expired', 'evicted'])
    .describe('ended: something ended it; expired: it was over a limit; evicted: the table was full.'),
  reason: z
    .string()
    .nullable()
    .describe('What ended it: idle or lifetime, operator, cookie-cleared, or the word of the application; null: none.'),
  key: z.string().describe('Key of the session.'),
  pool: z.string().describe('Name of its pool.'),
  backend: z.string().nullable().describe('Id of the backend it was on; null: that is gone.'),
  user: z.string().nullable().describe('Whose it was; null: not known.'),
  client: z.string().nullable().describe('Address of the client whose request it came about by; null: none did.'),
});

/** How sessions ended. */
export const sessionEndsSchema = z.strictObject({
  kept: count('Ends that are kept, 10,000 at most.'),
  ends: z.array(sessionEndSchema).readonly().describe('Those that were asked for, the latest first.'),
});

const configChangeSchema = z.strictObject({
  path: z.string().describe('Key of the configuration, such as pools.shop.backends.a.'),
  change: z.enum(['added', 'removed', 'changed']).describe('What became of it.'),
});

/** What a reload has done. */
export const reloadSchema = z.strictObject({
  generation: count('Number of the configuration that runs now.'),
  changes: z.array(configChangeSchema).readonly().describe('What changed; empty: the file says what it said before.'),
  warnings: z.array(z.string()).readonly().describe('What is allowed and most likely not meant.'),
});

/** What became of the sessions of a backend. */
export const evacuationSchema = z.strictObject({
  moved: count('Sessions that have moved.'),
  stayed: count(
    'Sessions that no other backend can take, or that may not move (onLost: reject): they are where they were.',
  ),
});

const target = z
  .string()
  .nullable()
  .describe('Id of the backend that they go to; null: nowhere, their requests get 503.');

const planSchema = z.strictObject({
  total: count('Sessions that would move.'),
  moves: z
    .array(
      z.strictObject({
        pool: z.string().describe('Name of the pool.'),
        from: z.string().describe('Id of the backend that they leave.'),
        to: target,
        reason: z.enum(MOVE_REASONS).describe('What the application would be told.'),
        when: z
          .enum(['now', 'when-it-goes'])
          .describe('Whether they go with their next request, or stay for as long as the backend answers.'),
        sessions: count('How many.'),
      }),
    )
    .readonly()
    .describe('Sessions that go the same way, the largest number first.'),
  sessions: z
    .array(
      z.strictObject({
        key: z.string().describe('Public id.'),
        pool: z.string().describe('Name of the pool.'),
        from: z.string().describe('Id of the backend that it leaves.'),
        to: target,
      }),
    )
    .readonly()
    .describe('The first 100 of them.'),
}) satisfies z.ZodType<MovePlan>;

/** Which sessions would move, and where to. */
export const simulationSchema = planSchema.extend({
  changes: z.array(configChangeSchema).readonly().optional().describe('What the other configuration changes.'),
});

/** What a request would get, and why. */
export const explanationSchema = z.strictObject({
  route: z.int().nullable().describe('Place of the route in the configuration, from 0; null: none matches.'),
  pool: z.string().nullable().describe('Name of the pool; null: none.'),
  session: z.string().nullable().describe('Public id of its session; null: none, or one that would be made for it.'),
  outcome: z.enum(OUTCOMES).describe('What would become of its affinity.'),
  backend: z.string().nullable().describe('Id of the backend; null: limpet would answer itself, see error.'),
  certain: z.boolean().describe('False: another draw, or another worker, may choose another one of candidates.'),
  candidates: z
    .array(
      z.strictObject({
        id: z.string().describe('Id of the backend.'),
        weight: z.number().describe('The weight that counts now, with a slow start.'),
        activeRequests: count('Requests in flight.'),
      }),
    )
    .readonly()
    .describe('Backends that the choice is between, for a session that is not bound; else empty.'),
  error: errorCode.nullable().describe('What limpet would answer with; null: a backend answers.'),
  status: z.int().nullable().describe('Status of that answer.'),
  steps: z
    .array(
      z.strictObject({
        step: z.string().describe('Where in the path of a request it is taken.'),
        outcome: z.string().describe('What came of it, in a word or two.'),
        detail: z.string().describe('The same and why, as a sentence. Never what the client sent as its key.'),
      }),
    )
    .readonly()
    .describe('The steps of the decision, in their order.'),
}) satisfies z.ZodType<Explanation>;

/** One mistake of several. */
export const mistakeSchema = z.strictObject({
  file: z.string().optional().describe('File that it stands in.'),
  line: z.int().min(0).optional().describe('Its line, from 1; 0: it is about the whole file.'),
  column: z.int().min(0).optional().describe('Its column, from 1.'),
  path: z.string().describe('Key that it is about.'),
  message: z.string().describe('What is wrong, and what is allowed.'),
});

/** An error of the API (RFC 9457). */
export const problemSchema = z.strictObject({
  type: z.literal('about:blank').describe('The status says what kind of problem it is.'),
  title: z.string().describe('Reason phrase of the status.'),
  status: z.int().describe('Status of the answer.'),
  detail: z.string().describe('What was wrong, and what to do.'),
  instance: z.string().describe('Path of the request.'),
  errors: z.array(mistakeSchema).readonly().optional().describe('Each mistake, where there may be several.'),
});
