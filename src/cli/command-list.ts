import type { Argv, CommandModule } from 'yargs';
import type { Command } from './command.ts';
import type { GlobalOptions } from './global-options.ts';

/**
 * The commands in the order of the help, each as yargs wants it. What a command needs is loaded only when it is the one that runs: the
 * configuration's schema alone takes longer to load than most commands take.
 * @param args of the command line, for those that look at options that are given several times
 */
export function commandList(args: readonly string[]): CommandModule<GlobalOptions, GlobalOptions>[] {
  return [
    lazy('start', 'Run the load balancer', async () => (await import('./commands/start.ts')).command),
    lazy(
      'demo',
      'Try it: small shop servers on this machine, with limpet in front',
      async () => (await import('./commands/demo.ts')).command,
    ),
    lazy(
      'check',
      'Validate the configuration file and print every error',
      async () => (await import('./commands/check.ts')).command,
    ),
    lazy(
      'init',
      'Write a commented limpet.yaml to begin with',
      async () => (await import('./commands/init.ts')).command,
    ),
    lazy(
      'schema',
      'Print the JSON Schema of the configuration file, for editors',
      async () => (await import('./commands/schema.ts')).command,
    ),
    lazy(
      'reload',
      'Make the running limpet read its configuration file again',
      async () => (await import('./commands/reload.ts')).command,
    ),
    lazy(
      'backends',
      'List the backends, drain them and bring them back',
      async () => (await import('./commands/backends.ts')).command,
    ),
    lazy(
      'sessions',
      'List the sessions, show, end and move one',
      async () => (await import('./commands/sessions.ts')).command,
    ),
    lazy('explain <url>', 'Say what a request would get and why, without sending it', async () =>
      (await import('./commands/explain.ts')).command(args),
    ),
    lazy('simulate', 'Say which sessions would move, and where to, before it is done', async () =>
      (await import('./commands/simulate.ts')).command(args),
    ),
    lazy(
      'cookie',
      "Read limpet's own cookie, or make one, with the secret",
      async () => (await import('./commands/cookie.ts')).command,
    ),
    lazy(
      'top',
      'Watch pools, backends and sessions live in the terminal',
      async () => (await import('./commands/top.ts')).command,
    ),
  ];
}

function lazy<Options>(
  command: string,
  describe: string,
  load: () => Promise<Command<Options>>,
): CommandModule<GlobalOptions, GlobalOptions> {
  return {
    command,
    describe,
    // yargs waits for a builder that answers later; its types know only of those that do not.
    builder: (async (argv: Argv<GlobalOptions>) => {
      const { builder } = await load();
      return typeof builder === 'function' ? builder(argv) : argv.options(builder ?? {});
    }) as unknown as (argv: Argv<GlobalOptions>) => Argv<GlobalOptions>,
    handler: async (options) =>
      (await load()).handler(options as unknown as Parameters<Command<Options>['handler']>[0]),
  };
}
