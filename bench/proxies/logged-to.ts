/**
 * The command with its standard output in `file`, as under systemd or in a container: through a pipe, the reader's work
 * would be paid by the machine that is measured. The process stays the same one (exec).
 */
export function loggedTo(file: string, command: readonly string[]): readonly string[] {
  return ['/bin/sh', '-c', 'out=$1; shift; exec "$@" > "$out"', 'sh', file, ...command];
}
