import { existsSync, globSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { headingAnchor } from '../../scripts/docs/heading-anchor.ts';
import { copyLinkedFiles } from '../copy-linked-files.ts';
import { navigation } from '../navigation.ts';
import { sitePath } from '../site-path.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const docs = globSync('docs/**/*.md', { cwd: root });

/** The site of docs/ and the pages beside it. A link to a page that is not there fails the build. */
export default defineConfig({
  title: 'limpet',
  description: 'Session-affinity load balancer',
  lang: 'en',
  srcDir: root,
  srcExclude: ['README.md', 'test/**', 'site/**'],
  rewrites: Object.fromEntries(docs.map((page) => [page, page.slice('docs/'.length)])),
  outDir: join(root, 'site/dist'),
  cleanUrls: true,
  // Files that are no pages are copied when the site is built.
  ignoreDeadLinks: [(url) => existsSync(join(root, url)) || existsSync(join(root, 'docs', url))],
  markdown: {
    anchor: { slugify: headingAnchor },
    config: (md) => {
      md.core.ruler.push('repository-links', ({ tokens, env }) => {
        const page = relative(root, (env as { realPath: string }).realPath);
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
