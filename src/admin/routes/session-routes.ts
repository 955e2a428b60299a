import * as z from 'zod';
import { json, NO_CONTENT } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { problem } from '../problem.ts';
import { refusal } from '../refused.ts';
import { change, get, type Route, remove } from '../route.ts';

const DEFAULT_LIMIT = 100;
const MOST = 1000;

const move = z.strictObject({
  backend: z.string({ error: 'must be the id of a backend of the pool that the session is in' }),
});

/** Sessions: list, see, end and move them. */
export function sessionRoutes(control: ControlPlane): Route[] {
  return [
    get(
      '/api/v1/sessions',
      async ({ query, path }) => {
        const limit = query.get('limit') ?? String(DEFAULT_LIMIT);
        if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > MOST) {
          return problem(400, `limit must be a whole number from 1 to ${MOST}.`, path);
        }
        const pool = query.get('pool');
        const backend = query.get('backend');
        const user = query.get('user');
        const cursor = query.get('cursor');
        const page = await control.sessions({
          limit: Number(limit),
          ...(pool === undefined ? {} : { pool }),
          ...(backend === undefined ? {} : { backend }),
          ...(user === undefined ? {} : { user }),
          ...(cursor === undefined ? {} : { cursor }),
        });
        return page.ok ? json(page.value) : refusal(page, path);
      },
      ['pool', 'backend', 'user', 'limit', 'cursor'],
    ),
    get('/api/v1/sessions/:key', async ({ params, path }) => {
      const found = await control.session(params.key!);
      return found.ok ? json(found.value) : refusal(found, path);
    }),
    remove('/api/v1/sessions/:key', async ({ params, path }) => {
      const ended = await control.endSession(params.key!);
      return ended.ok ? NO_CONTENT : refusal(ended, path);
    }),
    change('POST', '/api/v1/sessions/:key/move', move, async ({ params, path, body }) => {
      const moved = await control.moveSession(params.key!, body.backend);
      return moved.ok ? json(moved.value) : refusal(moved, path);
    }),
  ];
}
