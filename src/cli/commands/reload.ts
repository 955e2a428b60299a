import { type AdminOptions, adminOptions } from '../admin-options.ts';
import type { Command } from '../command.ts';
import { changesTable } from '../config-changes.ts';
import { example } from '../example.ts';
import { harmless, printJson, printLine, printWarning } from '../output.ts';
import { withAdminClient } from '../with-admin-client.ts';

/** Workers build the new model while they carry traffic. */
const RELOAD_MS = 120_000;

/** `limpet reload`: the running limpet reads its file again. */
export const command: Command<AdminOptions> = {
  builder: (argv) =>
    adminOptions(argv)
      .example(...example('$0 reload', 'take over what has changed in the file'))
      .example(...example('$0 reload --json', 'and print what that was as JSON'))
      .epilogue('Exit status 2, with every mistake, when the file is not usable: then nothing has changed.'),
  handler: async (options) => {
    const document = await withAdminClient(options, (client) =>
      client.call('POST', '/api/v1/reload', {}, { timeoutMs: RELOAD_MS }),
    );
    if (options.json) return printJson(document);
    const { generation, changes, warnings } = (document ?? {}) as Readonly<Record<string, unknown>>;
    if (Array.isArray(warnings)) for (const warning of warnings) printWarning(harmless(String(warning)));
    const lines = changesTable(changes);
    if (lines.length === 0) return printLine('nothing changed');
    for (const line of lines) printLine(line);
    printLine(`reloaded: configuration ${harmless(String(generation))} runs now`);
  },
};
