import * as z from 'zod';
import type { ControlPlane } from '../control-plane.ts';
import { problem } from '../problem.ts';
import { get, type Route } from '../route.ts';
import { wholeNumber } from '../whole-number.ts';

/** Of those that are kept. */
const MOST_RECENT = 512;
const RETRY_AFTER = '5';

const query = z.strictObject({
  recent: wholeNumber(0, MOST_RECENT).optional().describe('Begin with so many of the events that have happened; 0.'),
});

/** What happens, as it happens: server-sent events. */
export function eventRoutes({ events }: Pick<ControlPlane, 'events'>): Route[] {
  return [
    get(
      '/api/v1/events',
      { summary: 'Tells what happens, as it happens.', answer: 'text/event-stream', query, problems: [503] },
      ({ query: { recent = 0 }, path, lastEventId }) => {
        const { full } = events;
        if (full !== null) return problem(503, full, path, { 'Retry-After': RETRY_AFTER });
        return {
          status: 200,
          type: 'text/event-stream',
          body: '',
          // A proxy in between is asked not to collect what is meant for now.
          headers: { 'X-Accel-Buffering': 'no' },
          stream: (response) => events.listen(response, { lastId: lastEventId, recent }),
        };
      },
    ),
  ];
}
