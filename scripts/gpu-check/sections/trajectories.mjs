/** LeNet's and AlexNet's first steps on the device against the CPU's, on images of Fashion-MNIST. */
import { readFileSync } from 'node:fs';
import { loadPackage } from '../inside.mjs';
import { compare, limit, mostSteps, runs, train, variants } from '../trajectory.mjs';

const file = (name) => readFileSync(new URL(`../../../data/${name}`, import.meta.url));

function readSamples() {
  const labels = Int32Array.from(file('labels.bin'));
  return { images: new Uint8Array(file('images.bin')), labels };
}

const shown = (value) => (Number.isFinite(value) ? value.toExponential(1) : String(value));

export async function run(report, { device, emulated }) {
  const { package: neuronode } = await loadPackage();
  const samples = readSamples();
  const rows = [];
  const add = async (which, wanted, options, tolerance, steps) => {
    const started = performance.now();
    const found = await train(neuronode, which, samples, { device, steps, ...options });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const apart = compare(found, wanted);
    const words = Object.entries(options).map(([name, value]) => `${name} ${value}`);
    const name = [which.name, ...words].join(', ');
    // In lower precisions weights need only be numbers: Adam turns their rounding into whole steps.
    const ofWeights = words.length === 0 ? which.mostApart : Number.MAX_VALUE;
    const ok = apart.losses <= tolerance && apart.weights <= ofWeights;
    report.check(
      name,
      ok,
      `losses differ by ${shown(apart.losses)}, weights by ${shown(apart.weights)}; ` +
        `allowed ${tolerance}${words.length === 0 ? ` and ${ofWeights}` : ''}`,
    );
    rows.push([name, String(steps), seconds, shown(apart.losses), shown(apart.weights)]);
    report.table(
      "Differences from the CPU's steps",
      ['training', 'steps', 'seconds', 'of a loss', 'of a weight'],
      rows,
    );
  };
  const byCpu = [];
  for (const which of runs) {
    // An AlexNet step takes seconds where the device is emulated.
    const steps = emulated && which.resize > 28 ? 1 : mostSteps;
    const wanted = await train(neuronode, which, samples, { device: 'cpu', steps });
    byCpu.push(wanted);
    await add(which, wanted, {}, limit, steps);
  }
  for (const [options, tolerance] of variants) {
    await add(runs[0], byCpu[0], options, tolerance, mostSteps);
  }
}
