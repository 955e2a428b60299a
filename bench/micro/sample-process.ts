/** Child process of one sample: arguments are the checkout and the areas; sends a MicroSample to its parent. */
import { sampleSuites } from './sample.ts';

const [root, ...names] = process.argv.slice(2);
const sample = await sampleSuites(root!, names);
process.send?.(sample, () => process.disconnect?.());
