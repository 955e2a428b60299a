import type { CommandModule } from 'yargs';
import type { Command } from './command.ts';
import type { GlobalOptions } from './global-options.ts';

interface Entry {
  readonly command: string;
  readonly describe: string;
  /** @param args of the command line, for those that look at options that are given several times */
  readonly load: (args: readonly string[]) => Promise<unknown>;
}

const ENTRIES: readonly Entry[] = [
  {
    command: 'start',
    describe: 'Run the load balancer',
    load: async () => (await import('./commands/start.ts')).command,
  },
  {
    command: 'demo',
    describe: 'Try it: small shop servers on this machine, with limpet in front',
    load: async () => (await import('./commands/demo.ts')).command,
  },
  {
    command: 'check [file]',
    describe: 'Validate the configuration file and print every error',
    load: async () => (await import('./commands/check.ts')).command,
  },
  {
    command: 'init',
    describe: 'Write a commented limpet.yaml to begin with',
    load: async () => (await import('./commands/init.ts')).command,
  },
  {
    command: 'schema',
    describe: 'Print the JSON Schema of the configuration file, for editors',
    load: async () => (await import('./commands/schema.ts')).command,
  },
  {
    command: 'reload',
    describe: 'Make the running limpet read its configuration file again',
    load: async () => (await import('./commands/reload.ts')).command,
  },
  {
    command: 'backends',
    describe: 'List the backends, drain them and bring them back',
    load: async () => (await import('./commands/backends.ts')).command,
  },
  {
    command: 'sessions',
    describe: 'List the sessions, show, end and move one',
    load: async () => (await import('./commands/sessions.ts')).command,
  },
  {
    command: 'why [key]',
    describe: 'Say how a session, or those of a user, ended',
    load: async () => (await import('./commands/why.ts')).command,
  },
  {
    command: 'explain <url>',
    describe: 'Say what a request would get and why, without sending it',
    load: async (args) => (await import('./commands/explain.ts')).command(args),
  },
  {
    command: 'simulate',
    describe: 'Say which sessions would move, and where to, before it is done',
    load: async (args) => (await import('./commands/simulate.ts')).command(args),
  },
  {
    command: 'cookie',
    describe: "Read limpet's own cookie, or make one, with the secret",
    load: async () => (await import('./commands/cookie.ts')).command,
  },
  {
    command: 'top',
    describe: 'Watch pools, backends and sessions live in the terminal',
    load: async () => (await import('./commands/top.ts')).command,
  },
];

/**
 * The commands in the order of the help, as yargs wants them. Of those that `args` do not name there is the name and
 * its sentence alone: the configuration's schema takes longer to load than most commands take.
 */
export async function commandList(args: readonly string[]): Promise<CommandModule<GlobalOptions, GlobalOptions>[]> {
  return Promise.all(
    ENTRIES.map(async ({ command, describe, load }) => {
      const isNamed = args.includes(command.split(' ')[0]!);
      const parts = isNamed ? ((await load(args)) as Command<GlobalOptions>) : NOTHING;
      return { command, describe, ...parts };
    }),
  );
}

const NOTHING: Command<GlobalOptions> = { builder: {}, handler: () => {} };
