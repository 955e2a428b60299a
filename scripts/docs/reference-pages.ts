import { configurationPage } from './configuration-page.ts';

/** Pages that are made from the code, by their path from the repository's folder. A test holds that they are up to date. */
export const REFERENCE_PAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/configuration.md': configurationPage,
};
