/**
 * Owns which sections there are, the most telling first, and how long each may take: on a GPU that is
 * at hand for minutes, what comes last is what can best be missed.
 *
 * @typedef {object} Section
 * @property {string} name Of its module in sections/.
 * @property {string} title
 * @property {number} seconds It is ended after these.
 * @property {number} least It is not begun with fewer left than these, which those before it leave.
 */

/** @type {Section[]} */
export const sections = [
  // Libraries of gigabytes are read from a disk that may be cold; without a device nothing else runs.
  { name: 'device', title: 'Device and one convolution', seconds: 120, least: 10 },
  { name: 'operations', title: "Operations against PyTorch's values", seconds: 90, least: 10 },
  { name: 'native', title: 'Native tests on the device', seconds: 60, least: 10 },
  { name: 'trajectories', title: "Trainings against the CPU's", seconds: 60, least: 10 },
  { name: 'steps', title: 'Training steps, beside PyTorch', seconds: 150, least: 45 },
  { name: 'kernels', title: 'Kernels beside their floors', seconds: 45, least: 15 },
  { name: 'replays', title: 'Recorded steps against called ones', seconds: 45, least: 10 },
  { name: 'memory', title: 'Memory over 200 steps', seconds: 30, least: 10 },
  { name: 'sanitizers', title: 'compute-sanitizer', seconds: 150, least: 40 },
  { name: 'tuning', title: 'Training steps with timed plans', seconds: 120, least: 10 },
];
