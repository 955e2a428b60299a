import { json } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { problem } from '../problem.ts';
import { openGet, type Route } from '../route.ts';
import { healthSchema } from '../view-schemas.ts';

/** `/healthz`: alive. `/readyz`: takes traffic; it turns 503 before a stop closes anything (behaviour 46). */
export function probeRoutes(control: ControlPlane): Route[] {
  return [
    openGet('/healthz', { summary: 'Says that the process is alive.', answer: healthSchema }, () =>
      json({ status: 'ok' }),
    ),
    openGet(
      '/readyz',
      {
        summary: 'Says whether limpet takes traffic; 503 as soon as it stops.',
        answer: healthSchema,
        problems: [503],
      },
      ({ path }) => {
        const phase = control.ready();
        if (phase !== 'ready') return problem(503, `limpet is ${phase}.`, path);
        const reasons = control.unready();
        return reasons.length === 0
          ? json({ status: phase })
          : problem(503, `limpet is not ready: ${reasons.join('; ')}.`, path);
      },
    ),
  ];
}
