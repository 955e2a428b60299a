import { json } from '../answer.ts';
import type { ControlPlane } from '../control-plane.ts';
import { LANDING_PAGE, LANDING_POLICY } from '../landing-page.ts';
import { get, type Route } from '../route.ts';

/** What limpet says of itself: to people, to programs and to Prometheus. */
export function statusRoutes(control: ControlPlane): Route[] {
  return [
    get('/', () => ({
      status: 200,
      type: 'text/html; charset=utf-8',
      body: LANDING_PAGE,
      headers: { 'Content-Security-Policy': LANDING_POLICY },
    })),
    get('/metrics', async () => {
      const { contentType, text } = await control.metrics();
      return { status: 200, type: contentType, body: text };
    }),
    get('/api/v1/status', () => json(control.status())),
  ];
}
