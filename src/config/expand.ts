/** Names and values of environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What became of a scalar with variables in it: its text, or what is wrong with it. */
type Expansion = { readonly text: string } | { readonly error: string };

const REFERENCE = /\$(\$?)\{([^}]*)(\}?)/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** True when a scalar has something for `expand` to do. */
export function hasReference(text: string): boolean {
  return text.includes('${');
}

/**
 * Replaces `${NAME}` and `${NAME:-default}` by values of the environment, and `$${` by `${`.
 * As in a shell, the default also stands in for an empty variable. A value is not expanded again.
 */
export function expand(text: string, environment: Environment): Expansion {
  let error: string | null = null;
  const expanded = text.replace(REFERENCE, (whole, escaped: string, inside: string, end: string) => {
    if (escaped !== '') return whole.slice(1);
    const [name = '', ...rest] = inside.split(':-');
    if (end === '') {
      error ??= `"\${" has no "}": write \${NAME} or \${NAME:-default}, or $\${ for the two characters themselves`;
    } else if (!NAME.test(name)) {
      error ??= `\${${inside}} is not a variable: write \${NAME} or \${NAME:-default} (letters, digits and _), or $\${ for the two characters themselves`;
    } else {
      const value = environment[name];
      if (rest.length > 0) return value === undefined || value === '' ? rest.join(':-') : value;
      if (value !== undefined) return value;
      error ??= `the environment variable ${name} is not set: set it, or write \${${name}:-default}`;
    }
    return whole;
  });
  return error === null ? { text: expanded } : { error };
}
