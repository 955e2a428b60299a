import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { headingAnchor } from '../../scripts/docs/heading-anchor.ts';
import { copyLinkedFiles } from '../copy-linked-files.ts';
import { copyPages } from '../copy-pages.ts';
import { navigation } from '../navigation.ts';
import { sitePath } from '../site-path.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = join(root, 'site/pages');
copyPages(root, pages);

/** The site of docs/ and the pages beside it. A link to a page that is not there fails the build. */
export default defineConfig({
  title: 'limpet',
  description: 'Session-affinity load balancer',
  lang: 'en',
  srcDir: pages,
  outDir: join(root, 'site/dist'),
  cleanUrls: true,
  // Files that are no pages are copied when the site is built.
  ignoreDeadLinks: [(url) => existsSync(join(root, url)) || existsSync(join(root, 'docs', url))],
  markdown: {
    anchor: { slugify: headingAnchor },
    // A path with {pool} at its end is no attribute.
    attrs: { disable: true },
    config: (md) => {
      md.core.ruler.push('repository-links', ({ tokens, env }) => {
        // Titles and texts for the search are rendered as well, without saying of which page.
        const { path } = env as { path?: string };
        if (path === undefined) return;
        const name = relative(pages, path);
        const page = existsSync(join(root, 'docs', name)) ? `docs/${name}` : name;
        for (const { children } of tokens)
          for (const token of children ?? [])
            if (token.type === 'link_open') token.attrSet('href', sitePath(page, token.attrGet('href') ?? ''));
      });
    },
  },
  themeConfig: {
    siteTitle: 'limpet',
    sidebar: navigation(root),
    outline: [2, 3],
    search: { provider: 'local' },
  },
  buildEnd: ({ outDir }) => copyLinkedFiles(root, outDir),
});
