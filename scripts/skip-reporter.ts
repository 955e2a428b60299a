/** A reporter of node:test that writes a line for each test that was skipped: its reason, a tab, and its name. */
export default async function* skipReporter(
  events: AsyncIterable<{ type: string; data: { name?: string; skip?: string | boolean } }>,
): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    if (type !== 'test:pass' || data.skip === undefined || data.skip === false) continue;
    const reason = typeof data.skip === 'string' ? data.skip.replaceAll(/\s+/g, ' ') : '';
    yield `${reason}\t${data.name}\n`;
  }
}
