import * as z from 'zod';
import { integer } from '../../config/scalars.ts';
import { json } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { refusal } from '../refused.ts';
import { change, get, type Route } from '../route.ts';
import { backendSchema, evacuationSchema, poolSchema, poolsSchema } from '../view-schemas.ts';

const patch = z
  .strictObject({
    state: z.enum(['ready', 'drain', 'maintenance']).optional().describe('State that is wanted.'),
    weight: integer(0, 65_535).optional().describe('Share of new sessions.'),
  })
  .refine(({ state, weight }) => state !== undefined || weight !== undefined, {
    error: 'nothing to change: give state, weight or both',
  });

const NOTHING = z.strictObject({});

/** Pools and backends: see them, say what is wanted of a backend, and move its sessions away. */
export function poolRoutes(control: ControlPlane): Route[] {
  return [
    get('/api/v1/pools', { summary: 'Lists the pools with their backends.', answer: poolsSchema }, () =>
      json({ pools: control.pools() }),
    ),
    get('/api/v1/pools/:pool', { summary: 'Shows one pool.', answer: poolSchema }, ({ params, path }) => {
      const found = control.pool(params.pool!);
      return found.ok ? json(found.value) : refusal(found, path);
    }),
    change(
      'PATCH',
      '/api/v1/pools/:pool/backends/:backend',
      {
        summary: 'Changes what is wanted of a backend: what is left out stays, and what is set outlives reloads.',
        body: patch,
        answer: backendSchema,
        problems: [409],
      },
      ({ params, path, body }) => {
        const changed = control.patchBackend(params.pool!, params.backend!, body);
        return changed.ok ? json(changed.value) : refusal(changed, path);
      },
    ),
    change(
      'POST',
      '/api/v1/pools/:pool/backends/:backend/restarted',
      {
        summary:
          'Says that the process of a backend was restarted: its sessions move to a replica that has their state.',
        body: NOTHING,
        answer: backendSchema,
        problems: [409],
      },
      ({ params, path }) => {
        const restarted = control.backendRestarted(params.pool!, params.backend!);
        return restarted.ok ? json(restarted.value) : refusal(restarted, path);
      },
    ),
    change(
      'POST',
      '/api/v1/pools/:pool/backends/:backend/evacuate',
      {
        summary: 'Moves the sessions of a backend that gets no new ones to where they would go if it failed.',
        body: NOTHING,
        answer: evacuationSchema,
        problems: [409],
      },
      async ({ params, path }) => {
        const evacuated = await control.evacuate(params.pool!, params.backend!);
        return evacuated.ok ? json(evacuated.value) : refusal(evacuated, path);
      },
    ),
  ];
}
