/** Networks of the literature, ready to train. */
export { AlexNet, type AlexNetOptions, alexnet } from './alexnet.js';
export { LeNet, type LeNetOptions, lenet } from './lenet.js';
