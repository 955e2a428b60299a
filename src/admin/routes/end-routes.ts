import * as z from 'zod';
import { json } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { get, type Route } from '../route.ts';
import { sessionEndsSchema } from '../view-schemas.ts';
import { wholeNumber } from '../whole-number.ts';

const DEFAULT_LIMIT = 100;
const MOST = 1000;

const query = z.strictObject({
  key: z.string().optional().describe('Only the session with this key.'),
  user: z.string().optional().describe('Only those of this user.'),
  limit: wholeNumber(1, MOST).optional().describe(`At most so many; ${DEFAULT_LIMIT}.`),
});

/** Ends of sessions: why somebody was logged out. */
export function endRoutes(control: Pick<ControlPlane, 'ends'>): Route[] {
  return [
    get(
      '/api/v1/ends',
      {
        summary: 'Says how sessions ended, the latest first: of the last 10,000 ends since the start.',
        answer: sessionEndsSchema,
        query,
      },
      ({ query: { limit = DEFAULT_LIMIT, key, user } }) =>
        json(control.ends({ limit, ...(key === undefined ? {} : { key }), ...(user === undefined ? {} : { user }) })),
    ),
  ];
}
