/**
 * Tries again and again until `test` answers something other than false, null or undefined, which it settles with;
 * rejects after `ms`.
 */
export async function eventually<T>(
  what: string,
  test: () => T | Promise<T>,
  ms = 60_000,
): Promise<Exclude<T, false | null | undefined>> {
  const until = performance.now() + ms;
  for (;;) {
    const result = await test();
    if (result !== false && result !== null && result !== undefined)
      return result as Exclude<T, false | null | undefined>;
    if (performance.now() > until) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
