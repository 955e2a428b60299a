/** One line of a Dockerfile, with its continuations. */
export interface DockerStep {
  /** In upper case, such as `COPY`. */
  readonly instruction: string;
  readonly arguments: string;
}

/** What stands between one FROM and the next. */
export interface DockerStage {
  readonly base: string;
  readonly name: string | null;
  readonly steps: readonly DockerStep[];
}

/** The stages of a Dockerfile, without comments. */
export function readDockerfile(text: string): DockerStage[] {
  const stages: (DockerStage & { readonly steps: DockerStep[] })[] = [];
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  for (const line of lines.join('\n').replaceAll('\\\n', ' ').split('\n')) {
    const [, instruction, rest] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    if (instruction === undefined || rest === undefined) continue;
    if (instruction === 'FROM') {
      const [base, , name = null] = rest.split(/\s+/);
      stages.push({ base: base!, name, steps: [] });
    } else stages.at(-1)?.steps.push({ instruction: instruction.toUpperCase(), arguments: rest.trim() });
  }
  return stages;
}
