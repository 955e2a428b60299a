import * as z from 'zod';
import { json } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { refusal } from '../refused.ts';
import { change, type Route } from '../route.ts';
import { explanationSchema } from '../view-schemas.ts';

const VALUE = 'must be the value of a header, or a list of values for several lines of that name';
const body = z.strictObject({
  method: z.string({ error: 'must be a method such as GET' }).default('GET').describe('Method of the request; GET.'),
  url: z
    .string({ error: 'must be http://host/path, https://host/path or /path' })
    .describe('Address of the request: http://host/path, https://host/path, or a path alone.'),
  headers: z
    .record(
      z.string(),
      z.union([z.string({ error: VALUE }), z.array(z.string({ error: VALUE }), { error: VALUE })], { error: VALUE }),
      { error: 'must be a map of header names to their values' },
    )
    .default({})
    .describe('Its header fields; a list of values is several lines of that name.'),
  ip: z
    .string({ error: 'must be the address of the client, such as 192.0.2.1' })
    .nullable()
    .default(null)
    .describe("The other end of the client's connection; null: an address of this machine."),
});

/** What a request would get, and why, without sending it. */
export function explainRoutes(control: ControlPlane): Route[] {
  return [
    change(
      'POST',
      '/api/v1/explain',
      {
        summary: 'Says what a request would get and why, without sending it and without changing anything.',
        body,
        answer: explanationSchema,
      },
      async ({ path, body }) => {
        const explained = await control.explain(body);
        return explained.ok ? json(explained.value) : refusal(explained, path);
      },
    ),
  ];
}
