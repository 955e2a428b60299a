import type { ControlPlane } from '../control-plane.ts';
import { problem } from '../problem.ts';
import { get, type Route } from '../route.ts';

/** Of those that are kept. */
const MOST_RECENT = 512;
const RETRY_AFTER = '5';

/** What happens, as it happens: server-sent events. */
export function eventRoutes({ events }: Pick<ControlPlane, 'events'>): Route[] {
  return [
    get(
      '/api/v1/events',
      ({ query, path, lastEventId }) => {
        const { full } = events;
        if (full !== null) return problem(503, full, path, { 'Retry-After': RETRY_AFTER });
        const recent = query.get('recent') ?? '0';
        if (!/^\d{1,3}$/.test(recent) || Number(recent) > MOST_RECENT) {
          return problem(400, `recent must be a whole number from 0 to ${MOST_RECENT}.`, path);
        }
        return {
          status: 200,
          type: 'text/event-stream',
          body: '',
          // A proxy in between is asked not to collect what is meant for now.
          headers: { 'X-Accel-Buffering': 'no' },
          stream: (response) => events.listen(response, { lastId: lastEventId, recent: Number(recent) }),
        };
      },
      ['recent'],
    ),
  ];
}
