import type { ControlPlane } from '../control-plane.ts';
import type { Route } from '../route.ts';
import { dashboardRoutes } from './dashboard-routes.ts';
import { endRoutes } from './end-routes.ts';
import { eventRoutes } from './event-routes.ts';
import { explainRoutes } from './explain-routes.ts';
import { poolRoutes } from './pool-routes.ts';
import { probeRoutes } from './probe-routes.ts';
import { reloadRoutes } from './reload-routes.ts';
import { sessionRoutes } from './session-routes.ts';
import { statusRoutes } from './status-routes.ts';

/** Lists every route of the admin API, the dashboard's files among them. */
export function adminRoutes(control: ControlPlane): Route[] {
  return [
    ...dashboardRoutes(),
    ...probeRoutes(control),
    ...statusRoutes(control),
    ...poolRoutes(control),
    ...sessionRoutes(control),
    ...endRoutes(control),
    ...explainRoutes(control),
    ...reloadRoutes(control),
    ...eventRoutes(control),
  ];
}
