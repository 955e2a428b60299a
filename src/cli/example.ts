/**
 * An example as yargs wants it, the command with what it does behind it, in one column: in two, a terminal of 80
 * characters breaks commands in the middle.
 */
export function example(command: string, does: string): [string, string] {
  const line = `${command}  # ${does}`;
  return [line.replace('$0', 'limpet').length + 4 <= width() ? line : `# ${does}\n${command}`, ''];
}

function width(): number {
  return process.stdout.columns ?? 100;
}
