/**
 * Owns which sections there are, the most telling first, and how long each may take: on a GPU that is
 * at hand for minutes, what comes last is what can best be missed.
 *
 * @typedef {object} Section
 * @property {string} name Of its module in sections/.
 * @property {string} title
 * @property {number} seconds It is ended after these.
 * @property {number} least It is not begun with fewer left than these.
 */

/** @type {Section[]} */
export const sections = [
  { name: 'device', title: 'Device and one convolution', seconds: 60, least: 0 },
  { name: 'operations', title: "Operations against PyTorch's values", seconds: 90, least: 5 },
  { name: 'native', title: 'Native tests on the device', seconds: 60, least: 5 },
];
