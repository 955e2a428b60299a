import * as z from 'zod';
import { json } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { refusal } from '../refused.ts';
import { change, type Route } from '../route.ts';

/** A configuration as JSON text is at most about twice as long as its file. */
const CONFIG_BYTES = 4 * 1024 * 1024;

const NOTHING = z.strictObject({});
const simulation = z
  .strictObject({
    drain: z.string({ error: 'must be a backend as POOL/ID, such as shop/a' }).optional(),
    restarted: z.string({ error: 'must be a backend as POOL/ID, such as shop/a' }).optional(),
    config: z.string({ error: 'must be a configuration as YAML text' }).optional(),
  })
  .refine((wish) => Object.values(wish).filter((value) => value !== undefined).length === 1, {
    error: 'give one of drain (POOL/ID), restarted (POOL/ID) and config (YAML text)',
  });

/** Another configuration: take it over, or see what it would do first. */
export function reloadRoutes(control: ControlPlane): Route[] {
  return [
    change('POST', '/api/v1/reload', NOTHING, async ({ path }) => {
      const reloaded = await control.reload();
      return reloaded.ok ? json(reloaded.value) : refusal(reloaded, path);
    }),
    change(
      'POST',
      '/api/v1/simulate',
      simulation,
      async ({ path, body: { drain, restarted, config } }) => {
        const query = drain !== undefined ? { drain } : restarted !== undefined ? { restarted } : { config: config! };
        const simulated = await control.simulate(query);
        return simulated.ok ? json(simulated.value) : refusal(simulated, path);
      },
      CONFIG_BYTES,
    ),
  ];
}
