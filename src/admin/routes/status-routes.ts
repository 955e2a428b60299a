import { json } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { get, type Route } from '../route.ts';
import { statusSchema } from '../view-schemas.ts';

/** What limpet says of itself: to programs and to Prometheus. */
export function statusRoutes(control: ControlPlane): Route[] {
  return [
    get(
      '/metrics',
      { summary: 'Gives all metrics in the text format of Prometheus.', answer: 'text/plain' },
      async () => {
        const { contentType, text } = await control.metrics();
        return { status: 200, type: contentType, body: text };
      },
    ),
    get('/api/v1/status', { summary: 'Says what limpet is and does.', answer: statusSchema }, () =>
      json(control.status()),
    ),
  ];
}
