// The command line: runs when it is imported (bin/limpet.js does so).
import { useCompileCache } from './compile-cache.ts';

// Before anything else is loaded.
useCompileCache();
const { run } = await import('./run.ts');
// The reader of a pipe may leave early, as head does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
const status = await run(process.argv.slice(2));
// A start that failed half-way may have left something open, which must not keep the process.
if (status !== 0) process.exit(status);
