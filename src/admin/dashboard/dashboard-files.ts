import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { installation } from '../../installation.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * Its own files and nothing else; text of the API can never become script or markup, whatever a backend calls itself.
 * Submitting a form is done by script: none goes anywhere.
 */
export const DASHBOARD_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

/** One file of the dashboard, held in memory. */
interface DashboardFile {
  /** Under which it is served: `/` or `/dashboard/NAME`. */
  readonly path: string;
  readonly type: string;
  readonly body: string;
}

/** Reads the files of the dashboard. */
export function readDashboard(): readonly DashboardFile[] {
  const folder = installation.assets('admin/dashboard/page');
  return readdirSync(folder)
    .filter((name) => extname(name) in TYPES)
    .map((name) => ({
      path: name === 'index.html' ? '/' : `/dashboard/${name}`,
      type: TYPES[extname(name)]!,
      body: readFileSync(new URL(name, folder), 'utf8'),
    }));
}
