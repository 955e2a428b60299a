import * as z from 'zod';
import { json, NO_CONTENT } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { refusal } from '../refused.ts';
import { change, get, type Route, remove } from '../route.ts';
import { sessionPageSchema, sessionSchema } from '../view-schemas.ts';
import { wholeNumber } from '../whole-number.ts';

const DEFAULT_LIMIT = 100;
const MOST = 1000;

const query = z.strictObject({
  pool: z.string().optional().describe('Only those of this pool.'),
  backend: z.string().optional().describe('Only those on the backend with this id.'),
  user: z.string().optional().describe('Only those of this user.'),
  limit: wholeNumber(1, MOST).optional().describe(`At most so many; ${DEFAULT_LIMIT}.`),
  cursor: z.string().optional().describe('The cursor of the page before.'),
});

const move = z.strictObject({
  backend: z
    .string({ error: 'must be the id of a backend of the pool that the session is in' })
    .describe('Id of the backend that it moves to.'),
});

/** Sessions: list, see, end and move them. */
export function sessionRoutes(control: ControlPlane): Route[] {
  return [
    get(
      '/api/v1/sessions',
      { summary: 'Lists the sessions, page by page.', answer: sessionPageSchema, query, problems: [404] },
      async ({ query: { limit = DEFAULT_LIMIT, pool, backend, user, cursor }, path }) => {
        const page = await control.sessions({
          limit,
          ...(pool === undefined ? {} : { pool }),
          ...(backend === undefined ? {} : { backend }),
          ...(user === undefined ? {} : { user }),
          ...(cursor === undefined ? {} : { cursor }),
        });
        return page.ok ? json(page.value) : refusal(page, path);
      },
    ),
    get('/api/v1/sessions/:key', { summary: 'Shows one session.', answer: sessionSchema }, async ({ params, path }) => {
      const found = await control.session(params.key!);
      return found.ok ? json(found.value) : refusal(found, path);
    }),
    remove(
      '/api/v1/sessions/:key',
      { summary: 'Ends a session; its cookie stays refused until it could not be valid any more.', answer: null },
      async ({ params, path }) => {
        const ended = await control.endSession(params.key!);
        return ended.ok ? NO_CONTENT : refusal(ended, path);
      },
    ),
    change(
      'POST',
      '/api/v1/sessions/:key/move',
      {
        summary: 'Moves a session to another backend of its pool; its next request tells the application.',
        body: move,
        answer: sessionSchema,
        problems: [409],
      },
      async ({ params, path, body }) => {
        const moved = await control.moveSession(params.key!, body.backend);
        return moved.ok ? json(moved.value) : refusal(moved, path);
      },
    ),
  ];
}
