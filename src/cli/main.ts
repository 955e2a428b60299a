// The command line: runs when it is imported (bin/limpet.js does so).
import { hideBin } from 'yargs/helpers';
import { run } from './run.ts';

// The reader of a pipe may leave early, as head does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
const status = await run(hideBin(process.argv));
// A start that failed half-way may have left something open, which must not keep the process.
if (status !== 0) process.exit(status);
