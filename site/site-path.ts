import { dirname, join, normalize } from 'node:path';

/**
 * Says where the site has what a link in a page leads to: pages of docs/ stand at the root of the site, the README is
 * its front page, SECURITY.md is docs/security.md, everything else is where it is in the repository.
 * @param page path of the page from the repository's folder
 * @param link as it is written; one to another site, or within the page, stays as it is
 */
export function sitePath(page: string, link: string): string {
  if (/^[a-z][a-z0-9+.-]*:|^[#/]/.test(link)) return link;
  const [, file = '', anchor = ''] = /^([^#]*)(#.*)?$/.exec(link)!;
  const path = normalize(join(dirname(page), file)).replace(/^docs\//, '');
  if (path === 'SECURITY.md') return `/security${anchor}`;
  return `/${path.replace(/^(?:README|index)\.md$/, '').replace(/\.md$/, '')}${anchor}`;
}
