import { z } from 'zod';
import { integer } from '../../config/scalars.ts';
import { json } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { problem } from '../problem.ts';
import { change, get, type Route } from '../route.ts';

const patch = z
  .strictObject({
    state: z.enum(['ready', 'drain', 'maintenance']).optional(),
    weight: integer(0, 65_535).optional(),
  })
  .refine(({ state, weight }) => state !== undefined || weight !== undefined, {
    error: 'nothing to change: give state, weight or both',
  });

/** Pools and backends: see them, and say what is wanted of a backend. */
export function poolRoutes(control: ControlPlane): Route[] {
  return [
    get('/api/v1/pools', () => json({ pools: control.pools() })),
    get('/api/v1/pools/:pool', ({ params, path }) => {
      const found = control.pool(params.pool!);
      return found.ok ? json(found.value) : problem(found.status, found.detail, path);
    }),
    change('PATCH', '/api/v1/pools/:pool/backends/:backend', patch, ({ params, path, body }) => {
      const changed = control.patchBackend(params.pool!, params.backend!, body);
      return changed.ok ? json(changed.value) : problem(changed.status, changed.detail, path);
    }),
  ];
}
