import assert from 'node:assert/strict';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { ask } from './ask.ts';
import type { LimpetProcess } from './limpet.ts';

/** The file that a running limpet was started with. */
export class ConfigFile {
  readonly #limpet: LimpetProcess;
  readonly #path: string;

  constructor(limpet: LimpetProcess) {
    this.#limpet = limpet;
    const args = limpet.process.spawnargs;
    this.#path = args[args.indexOf('-c') + 1]!;
  }

  /** Changes it in one step, as an editor does. */
  replace(from: string | RegExp, to: string): void {
    const before = readFileSync(this.#path, 'utf8');
    const after = before.replace(from, to);
    assert.notEqual(after, before, `${from} is not in the file`);
    writeFileSync(`${this.#path}.new`, after);
    renameSync(`${this.#path}.new`, this.#path);
  }

  /** Has it read again, and settles with the paths that changed when the new configuration is in effect. */
  async reload(by: 'signal' | 'api'): Promise<string[]> {
    const limpet = this.#limpet;
    const from = limpet.log.length;
    if (by === 'signal') limpet.process.kill('SIGHUP');
    else {
      const { status, body } = await ask(`${limpet.admin}/api/v1/reload`, { method: 'POST' });
      assert.equal(status, 200, body);
    }
    const line = await limpet.logged(
      (one) => limpet.log.indexOf(one) >= from && /^reload/.test(String(one.msg)),
      30_000,
    );
    assert.equal(line.msg, 'reload: configuration changed', JSON.stringify(line));
    return (line.changes as { path: string }[]).map(({ path }) => path);
  }
}
