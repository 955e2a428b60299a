import { DASHBOARD_POLICY, readDashboard } from '../dashboard/dashboard-files.ts';
import { openGet, type Route } from '../route.ts';

/**
 * The dashboard. It holds nothing of this limpet, and a browser has no token to send before there is a page to enter it in: what it shows comes from the
 * rest of the API, which asks for the token.
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
