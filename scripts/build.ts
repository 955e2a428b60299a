// Makes dist of src: one file for each program and thread, with what several of them need in files of its own. Run by
// `npm ci` (prepare) and by hand with `npm run build`. Libraries are part of it: what is installed is what was tested,
// and a start reads a dozen files and not 400.
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { thirdPartyLicenses } from './third-party-licenses.ts';

/** What is started by name: programs of bin, threads and the demo's servers. Paths in src (see src/installation.ts). */
const ENTRIES = [
  'cli/main',
  'cli/healthcheck',
  'worker/worker-main',
  'supervisor/reload/read-thread',
  'demo/shop-main',
];
/** Files that are read at run time and are not TypeScript. */
const ASSETS = ['admin/dashboard/page', 'demo/page'];

const IDENTIFIER = /^(?!default$)[A-Za-z_$][\w$]*$/;

/**
 * Lets a library that is loaded when it is needed (`await import('undici')`) have the names that Node gives it. Of one
 * that is CommonJS, a bundle would have `default` alone.
 */
const NAMES_OF_LIBRARIES: Plugin = {
  name: 'names-of-libraries',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^[^./]/ }, ({ kind, path, resolveDir }) =>
      kind === 'dynamic-import' && !isBuiltin(path) ? { path, namespace: 'library', pluginData: resolveDir } : null,
    );
    onLoad({ filter: /./, namespace: 'library' }, async ({ path, pluginData: resolveDir }) => {
      const names = Object.keys((await import(path)) as object).filter((name) => IDENTIFIER.test(name));
      return {
        contents: `export { ${names.join(', ')} } from ${JSON.stringify(path)};`,
        resolveDir: String(resolveDir),
      };
    });
  },
};

/**
 * Takes modules of Node as `require` does. An import makes an ES module of each first, and reads all that it exports:
 * of node:http that is a WebSocket client, which takes 50 ms to load.
 */
const MODULES_OF_NODE: Plugin = {
  name: 'modules-of-node',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /./ }, ({ kind, path }) =>
      kind === 'import-statement' && isBuiltin(path) ? { path, namespace: 'node' } : null,
    );
    onLoad({ filter: /./, namespace: 'node' }, ({ path }) => {
      const properties = Object.entries(Object.getOwnPropertyDescriptors(process.getBuiltinModule(path)));
      // What is made only when it is asked for is what nobody here asks for: an import of it would fail the build.
      const names = properties
        .filter(([name, { get }]) => get === undefined && IDENTIFIER.test(name))
        .map(([name]) => name);
      return {
        contents: `const all = process.getBuiltinModule(${JSON.stringify(path)});
          export const { ${names.join(', ')} } = all;
          export default all;`,
      };
    });
  },
};

const root = fileURLToPath(new URL('..', import.meta.url));
rmSync(`${root}dist`, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ENTRIES.map((entry) => `src/${entry}.ts`),
  outbase: 'src',
  outdir: 'dist',
  bundle: true,
  splitting: true,
  chunkNames: 'parts/[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node22.19',
  // Stacks name functions as they are in the sources, and files and lines by the maps (src/cli/source-stack.ts).
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  metafile: true,
  plugins: [NAMES_OF_LIBRARIES, MODULES_OF_NODE],
  // Libraries that are CommonJS ask for modules of Node by a function that ES modules do not have.
  banner: { js: "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);" },
  logLevel: 'warning',
});
for (const asset of ASSETS) cpSync(`${root}src/${asset}`, `${root}dist/${asset}`, { recursive: true });
writeFileSync(`${root}dist/THIRD-PARTY-LICENSES.txt`, thirdPartyLicenses(root, Object.keys(metafile.inputs)));
