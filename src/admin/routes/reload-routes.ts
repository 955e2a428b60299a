import * as z from 'zod';
import { json } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { refusal } from '../refused.ts';
import { change, type Route } from '../route.ts';
import { reloadSchema, simulationSchema } from '../view-schemas.ts';

/** A configuration as JSON text is at most about twice as long as its file. */
const CONFIG_BYTES = 4 * 1024 * 1024;

const NOTHING = z.strictObject({});
const simulation = z
  .strictObject({
    drain: z
      .string({ error: 'must be a backend as POOL/ID, such as shop/a' })
      .optional()
      .describe('Backend that is drained, as POOL/ID.'),
    restarted: z
      .string({ error: 'must be a backend as POOL/ID, such as shop/a' })
      .optional()
      .describe('Backend whose process is restarted, as POOL/ID.'),
    config: z
      .string({ error: 'must be a configuration as YAML text' })
      .optional()
      .describe('Another configuration, as YAML text.'),
  })
  .refine((wish) => Object.values(wish).filter((value) => value !== undefined).length === 1, {
    error: 'give one of drain (POOL/ID), restarted (POOL/ID) and config (YAML text)',
  });

/** Another configuration: take it over, or see what it would do first. */
export function reloadRoutes(control: ControlPlane): Route[] {
  return [
    change(
      'POST',
      '/api/v1/reload',
      {
        summary: 'Reads the configuration file again: all of it is taken over, or nothing.',
        body: NOTHING,
        answer: reloadSchema,
        problems: [409],
      },
      async ({ path }) => {
        const reloaded = await control.reload();
        return reloaded.ok ? json(reloaded.value) : refusal(reloaded, path);
      },
    ),
    change(
      'POST',
      '/api/v1/simulate',
      {
        summary: 'Says which sessions would move and where to; one of the three keys says what to imagine.',
        body: simulation,
        bodyBytes: CONFIG_BYTES,
        answer: simulationSchema,
        problems: [404, 409],
      },
      async ({ path, body: { drain, restarted, config } }) => {
        const query = drain !== undefined ? { drain } : restarted !== undefined ? { restarted } : { config: config! };
        const simulated = await control.simulate(query);
        return simulated.ok ? json(simulated.value) : refusal(simulated, path);
      },
    ),
  ];
}
