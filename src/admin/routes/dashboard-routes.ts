import { DASHBOARD_POLICY, readDashboard } from '../dashboard/dashboard-files.ts';
import { openGet, type Route } from '../route.ts';

/**
 * Serves the dashboard. Its files hold nothing of this limpet, and a browser has no token to send before there is a
 * page to enter it in: what the dashboard shows comes from the rest of the API, which asks for the token.
 */
export function dashboardRoutes(): Route[] {
  return readDashboard().map(({ path, type, body }) =>
    openGet(path, { summary: 'A file of the dashboard.', answer: type }, () => ({
      status: 200,
      type,
      body,
      headers: { 'Content-Security-Policy': DASHBOARD_POLICY },
    })),
  );
}
