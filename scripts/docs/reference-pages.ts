import { adminApiPage } from './admin-api-page.ts';
import { commandsPage } from './commands-page.ts';
import { configurationPage } from './configuration-page.ts';
import { metricsPage } from './metrics-page.ts';
import { openApiJson } from './openapi.ts';

/** Pages that are made from the code, by their path in the repository. A test holds that they are up to date. */
export const REFERENCE_PAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/configuration.md': configurationPage,
  'docs/operate/metrics.md': metricsPage,
  'docs/reference/commands.md': commandsPage,
  'docs/reference/admin-api.md': adminApiPage,
  'docs/reference/openapi.json': openApiJson,
};
