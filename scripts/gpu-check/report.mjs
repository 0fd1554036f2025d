/**
 * Owns the form of docs/gpu-results.md and of what the check prints.
 *
 * Policy: times of an emulated device say nothing of a GPU. A report of them says so at the top, and
 * is never written to docs.
 */
import { writeFileSync } from 'node:fs';
import { inRoot } from '../lib/paths.mjs';
import { StepError } from '../lib/report.mjs';

/**
 * @typedef {object} GpuReport
 * @property {boolean} emulated Whether the device was a test's imitation.
 * @property {Record<string, string>} machine What it was measured on, by name.
 * @property {import('./peaks.mjs').Peaks} peaks
 * @property {string | null} peer PyTorch's version, or null where it was not measured.
 * @property {{ name: string, ok: boolean, detail: string }[]} checks
 * @property {object[]} steps Of measureStep.
 */

export const emulatedNote =
  '**Emulated device: these are times of an imitation on the CPU and say nothing of a GPU.**';

const head = `# Results on a GPU

Written by \`npm run gpu-check\`; do not edit. A floor is the longer of two times: the bytes that a
kernel's operands take, each moved once, over the memory's bandwidth; and the operations of its
products over the peak of their precision. A step's time is that of one step among many with two
under way, upload and read-back included. Kernel times are medians of kernels run one by one.`;

function table(titles, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const rule = titles.map((_, column) => (column === 0 ? '---' : '---:'));
  return [titles, rule, ...rows].map(line).join('\n');
}

const milliseconds = (ms) => (ms === null ? '-' : ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3));
const times = (value) => (value === null ? '-' : value.toFixed(2));

function peaksText({ source, bandwidth, flops }) {
  const tflops = Object.entries(flops).map(
    ([name, value]) => `${name} ${(value / 1e12).toFixed(1)}`,
  );
  return `${(bandwidth / 1e12).toFixed(2)} TB/s; TFLOP/s: ${tflops.join(', ')} (${source})`;
}

function stepsTable({ steps, peer }) {
  const titles = [
    'training step',
    'precision',
    'batch',
    'neuronode, ms',
    `${peer ?? 'PyTorch'}, ms`,
    'ratio',
    'floor: arithmetic, ms',
    'floor: memory, ms',
  ];
  const rows = steps.map((step) => [
    step.network,
    step.precision,
    String(step.batch),
    milliseconds(step.ms),
    milliseconds(step.peerMs),
    times(step.ratio),
    milliseconds(step.arithmeticMs),
    milliseconds(step.memoryMs),
  ]);
  return table(titles, rows);
}

function kernelsTable({ kernels }) {
  const titles = [
    'kernel',
    'of',
    'phase',
    'algorithm',
    'ms',
    'floor, ms',
    'set by',
    'time / floor',
  ];
  const rows = kernels.map((row) => [
    row.op,
    row.name === '' ? '-' : row.name,
    row.phase,
    row.kernel.replaceAll('|', '\\|'),
    milliseconds(row.ms),
    milliseconds(row.floorMs),
    row.bound ?? '-',
    times(row.ratio),
  ]);
  return table(titles, rows);
}

/** @param {GpuReport} report */
export function asMarkdown(report) {
  const { emulated, machine, peaks, checks, steps } = report;
  const facts = Object.entries(machine).map(([name, value]) => `- ${name}: ${value}`);
  const variants = steps
    .filter(({ peerVariant }) => peerVariant !== null)
    .map(({ precision, peerVariant }) => `- PyTorch's fastest in ${precision}: ${peerVariant}`);
  const blocks = [
    head,
    ...(emulated ? [emulatedNote] : []),
    '## Machine',
    [...facts, `- peaks: ${peaksText(peaks)}`, ...variants].join('\n'),
    '## Checks',
    table(
      ['check', 'result', ''],
      checks.map(({ name, ok, detail }) => [name, ok ? 'passed' : '**FAILED**', detail]),
    ),
    '## Training step',
    'ratio: PyTorch / neuronode, above 1 where neuronode is faster',
    stepsTable(report),
    ...steps.flatMap((step) => [`## Kernels in ${step.precision}`, kernelsTable(step)]),
  ];
  return `${blocks.join('\n\n')}\n`;
}

/**
 * Writes docs/gpu-results.md.
 *
 * @param {GpuReport} report
 * @throws StepError for a report of an emulated device.
 */
export function writeResults(report, path = inRoot('docs', 'gpu-results.md')) {
  if (report.emulated) {
    throw new StepError(`Times of an emulated device do not belong in ${path}.`);
  }
  writeFileSync(path, asMarkdown(report));
}
