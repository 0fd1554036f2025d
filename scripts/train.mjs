/** `npm run train -- [options]`: trains AlexNet on Fashion-MNIST, building first what is missing. */
import { runBuiltProgram } from './lib/program.mjs';

runBuiltProgram('train', 'build/examples/train-alexnet.js');
