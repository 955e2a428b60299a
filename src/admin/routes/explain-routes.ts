import * as z from 'zod';
import { json } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { refusal } from '../refused.ts';
import { change, type Route } from '../route.ts';

const VALUE = 'must be the value of a header, or a list of values for several lines of that name';
const question = z.strictObject({
  method: z.string({ error: 'must be a method such as GET' }).default('GET'),
  url: z.string({ error: 'must be http://host/path, https://host/path or /path' }),
  headers: z
    .record(
      z.string(),
      z.union([z.string({ error: VALUE }), z.array(z.string({ error: VALUE }), { error: VALUE })], { error: VALUE }),
      { error: 'must be a map of header names to their values' },
    )
    .default({}),
  ip: z.string({ error: 'must be the address of the client, such as 192.0.2.1' }).nullable().default(null),
});

/** What a request would get, and why, without sending it. */
export function explainRoutes(control: ControlPlane): Route[] {
  return [
    change('POST', '/api/v1/explain', question, async ({ path, body }) => {
      const explained = await control.explain(body);
      return explained.ok ? json(explained.value) : refusal(explained, path);
    }),
  ];
}
