import { existsSync } from 'node:fs';

/**
 * True when this runs from its sources; an installed limpet is a few files in dist, each made of many
 * (scripts/build.ts).
 */
const FROM_SOURCE = import.meta.url.endsWith('.ts');

/** Where the files of the limpet that runs lie: a checkout and an installed package differ in this alone. */
export const installation = {
  fromSource: FROM_SOURCE,

  /** Folder of package.json and config. */
  root: findRoot(),

  /** File that a thread or process begins with. @param name its path in src, without its extension */
  entry(name: string): URL {
    return new URL(FROM_SOURCE ? `src/${name}.ts` : `dist/${name}.js`, installation.root);
  },

  /** Folder of files that are read at run time. @param name its path in src */
  assets(name: string): URL {
    return new URL(`${FROM_SOURCE ? 'src' : 'dist'}/${name}/`, installation.root);
  },
} as const;

/** Goes up from this file: how deep a bundle lies depends on its name. */
function findRoot(): URL {
  let folder = new URL('.', import.meta.url);
  while (!existsSync(new URL('package.json', folder)) && folder.pathname !== '/') folder = new URL('..', folder);
  return folder;
}
