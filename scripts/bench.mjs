/** `npm run bench -- [options]`: runs the benchmarks, building first what is missing. */
import { runBuiltProgram } from './lib/program.mjs';

runBuiltProgram('bench', 'build/bench/main.js');
