import { measurePass } from './pass.ts';
import { SUITES } from './registry.ts';

/** Nanoseconds by subject; a subject that a checkout cannot run is a text that says why. */
export type MicroSample = Readonly<Record<string, number | string>>;

/** Measures the areas `names` once, with the modules of the checkout at `root`. */
export async function sampleSuites(root: string, names: readonly string[]): Promise<MicroSample> {
  const sample: Record<string, number | string> = {};
  for (const name of names) {
    try {
      for (const [subject, pass] of Object.entries(await SUITES[name]!(root)))
        sample[`${name}: ${subject}`] = measured(pass);
    } catch (error) {
      // Another revision may not have the module yet, or call it otherwise.
      sample[name] = (error as Error).message;
    }
  }
  return sample;
}

function measured(pass: (times: number) => void): number | string {
  try {
    return measurePass(pass);
  } catch (error) {
    return (error as Error).message;
  }
}
