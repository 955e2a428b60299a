import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sitePath } from './site-path.ts';

/** Groups of pages in the order in which they are read. Pages of a folder that are not named here come last. */
const GROUPS: readonly { readonly text: string; readonly pages: readonly string[]; readonly folder: string }[] = [
  {
    text: 'Using it',
    pages: ['index', 'start', 'concepts', 'sessions', 'keys', 'failover', 'backends', 'protocols', 'configuration'],
    folder: 'docs',
  },
  { text: 'Guides', pages: [], folder: 'docs/guides' },
  { text: 'Operating it', pages: ['run', 'reload', 'drain', 'upgrade', 'nodes', 'snapshot'], folder: 'docs/operate' },
  { text: 'Reference', pages: ['errors', 'headers', 'commands', 'admin-api'], folder: 'docs/reference' },
  { text: 'Internals', pages: [], folder: 'docs/internals' },
];
/** Pages of docs/ that belong to the last group. */
const ABOUT = ['security', 'comparison', 'benchmarks', 'behaviour'];

interface Link {
  readonly text: string;
  readonly link: string;
}

/** Makes the list of all pages, each with its own title. */
export function navigation(root: string): { text: string; collapsed: boolean; items: Link[] }[] {
  const groups = GROUPS.map(({ text, pages, folder }) => {
    const found = globSync('*.md', { cwd: join(root, folder) }).map((name) => name.slice(0, -3));
    const others = found.filter((name) => !pages.includes(name) && !(folder === 'docs' && ABOUT.includes(name)));
    const names = [...pages.filter((name) => found.includes(name)), ...others.sort()].map(
      (name) => `${folder}/${name}`,
    );
    if (folder === 'docs/internals') names.unshift('ARCHITECTURE');
    return { text, names };
  });
  const about = [...ABOUT.map((name) => `docs/${name}`), 'CHANGELOG', 'CONTRIBUTING'];
  groups.push({ text: 'About', names: about.filter((name) => globSync(`${name}.md`, { cwd: root }).length > 0) });
  return groups.map(({ text, names }) => ({
    text,
    collapsed: false,
    items: names.map((name) => ({
      text: titleOf(readFileSync(join(root, `${name}.md`), 'utf8')),
      link: sitePath('README.md', `${name}.md`),
    })),
  }));
}

function titleOf(text: string): string {
  return /^(?:# |title: )(.+)$/m.exec(text)?.[1] ?? '';
}
