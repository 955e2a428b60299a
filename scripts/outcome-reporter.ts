/** What became of a test, as a line of JSON. */
export interface Outcome {
  /** `ended`: of all files, whose run came to its end. */
  readonly what: 'failed' | 'skipped' | 'ended';
  /** Absolute path of the file that was run; another one may define the test. */
  readonly file: string;
  readonly name: string;
  /** Of a skip. */
  readonly reason: string;
}

interface TestEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly file?: string;
    readonly entryFile?: string;
    readonly skip?: string | boolean;
    readonly details?: { readonly error?: { readonly failureType?: string } };
  };
}

/**
 * A reporter of node:test that writes an Outcome for each test that was skipped or failed, not for the suites around
 * it, and one at the end.
 */
export default async function* outcomeReporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let isInterrupted = false;
  for await (const { type, data } of events) {
    isInterrupted ||= type === 'test:interrupted';
    if (type === 'test:summary' && data.file === undefined && !isInterrupted)
      yield `${JSON.stringify({ what: 'ended', file: '', name: '', reason: '' } satisfies Outcome)}\n`;
    const isSkipped = type === 'test:pass' && data.skip !== undefined && data.skip !== false;
    const isFailed = type === 'test:fail' && data.details?.error?.failureType !== 'subtestsFailed';
    if (!isSkipped && !isFailed) continue;
    const outcome: Outcome = {
      what: isFailed ? 'failed' : 'skipped',
      file: data.entryFile ?? data.file ?? '',
      name: data.name ?? '',
      reason: typeof data.skip === 'string' ? data.skip.replaceAll(/\s+/g, ' ') : '',
    };
    yield `${JSON.stringify(outcome)}\n`;
  }
}
