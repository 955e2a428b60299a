import * as z from 'zod';
import { integer } from '../../config/scalars.ts';
import { json } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { refusal } from '../refused.ts';
import { change, get, type Route } from '../route.ts';

const patch = z
  .strictObject({
    state: z.enum(['ready', 'drain', 'maintenance']).optional(),
    weight: integer(0, 65_535).optional(),
  })
  .refine(({ state, weight }) => state !== undefined || weight !== undefined, {
    error: 'nothing to change: give state, weight or both',
  });

const NOTHING = z.strictObject({});

/** Pools and backends: see them, say what is wanted of a backend, and move its sessions away. */
export function poolRoutes(control: ControlPlane): Route[] {
  return [
    get('/api/v1/pools', () => json({ pools: control.pools() })),
    get('/api/v1/pools/:pool', ({ params, path }) => {
      const found = control.pool(params.pool!);
      return found.ok ? json(found.value) : refusal(found, path);
    }),
    change('PATCH', '/api/v1/pools/:pool/backends/:backend', patch, ({ params, path, body }) => {
      const changed = control.patchBackend(params.pool!, params.backend!, body);
      return changed.ok ? json(changed.value) : refusal(changed, path);
    }),
    change('POST', '/api/v1/pools/:pool/backends/:backend/restarted', NOTHING, ({ params, path }) => {
      const restarted = control.backendRestarted(params.pool!, params.backend!);
      return restarted.ok ? json(restarted.value) : refusal(restarted, path);
    }),
    change('POST', '/api/v1/pools/:pool/backends/:backend/evacuate', NOTHING, async ({ params, path }) => {
      const evacuated = await control.evacuate(params.pool!, params.backend!);
      return evacuated.ok ? json(evacuated.value) : refusal(evacuated, path);
    }),
  ];
}
