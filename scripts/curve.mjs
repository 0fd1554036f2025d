/**
 * `node scripts/curve.mjs METRICS [SVG]`: draws the running train accuracy of each epoch from a
 * metrics file of `npm run train -- --metrics FILE` (one JSON object a line), beside what the founding
 * example prints. It writes the SVG (docs/founding-job.svg by default) and prints each epoch's end.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { inRoot } from './lib/paths.mjs';
import { main, StepError } from './lib/report.mjs';

/** Train accuracy at the end of each epoch in the AlexNet chapter of "Dive into Deep Learning". */
const founding = [0.77, 0.87, 0.89, 0.9, 0.908];

const size = { width: 720, height: 400 };
const box = { left: 56, right: 700, top: 24, bottom: 350 };
/** Accuracies at the lower and the upper edge. */
const range = [0.5, 1];

const css = `
  text { font: 13px sans-serif; fill: #57606a; }
  .grid { stroke: #8b949e; stroke-opacity: 0.25; }
  .ours { fill: none; stroke: #2f81f7; stroke-width: 1.5; }
  .theirs { fill: #db6d28; }`;

/** One point of each step: how far into the training, and the running accuracy of its epoch. */
function points(lines) {
  const stepsOf = new Map();
  for (const { epoch } of lines) stepsOf.set(epoch, (stepsOf.get(epoch) ?? 0) + 1);
  let [current, correct, examples, step] = [0, 0, 0, 0];
  return lines.map((line) => {
    if (line.epoch !== current) [current, correct, examples, step] = [line.epoch, 0, 0, 0];
    correct += line.correct;
    examples += line.size;
    step += 1;
    return {
      epoch: line.epoch,
      at: line.epoch - 1 + step / stepsOf.get(line.epoch),
      accuracy: correct / examples,
    };
  });
}

function draw(curve, epochs) {
  const x = (at) => box.left + ((box.right - box.left) * at) / epochs;
  const y = (accuracy) =>
    box.bottom - ((box.bottom - box.top) * (accuracy - range[0])) / (range[1] - range[0]);
  const parts = [];
  for (let accuracy = range[0]; accuracy <= range[1] + 1e-9; accuracy += 0.1) {
    const at = y(accuracy).toFixed(1);
    parts.push(`<path class="grid" d="M${box.left} ${at}H${box.right}"/>`);
    parts.push(`<text x="16" y="${Number(at) + 4}">${accuracy.toFixed(1)}</text>`);
  }
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const middle = x(epoch - 0.5).toFixed(1);
    parts.push(`<path class="grid" d="M${x(epoch).toFixed(1)} ${box.top}V${box.bottom}"/>`);
    parts.push(`<text x="${middle}" y="370" text-anchor="middle">epoch ${epoch}</text>`);
    const path = curve
      .filter((point) => point.epoch === epoch && point.accuracy >= range[0])
      .map(({ at, accuracy }) => `${x(at).toFixed(1)} ${y(accuracy).toFixed(1)}`);
    if (path.length > 0) parts.push(`<path class="ours" d="M${path.join('L')}"/>`);
    const theirs = founding[epoch - 1];
    if (theirs !== undefined) {
      parts.push(`<circle class="theirs" cx="${x(epoch)}" cy="${y(theirs).toFixed(1)}" r="4"/>`);
    }
  }
  parts.push('<path class="ours" d="M250 390H280"/><text x="288" y="394">neuronode</text>');
  parts.push(
    '<circle class="theirs" cx="400" cy="390" r="4"/><text x="412" y="394">founding example</text>',
  );
  const { width, height } = size;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">
<title>Running train accuracy of each epoch</title>
<style>${css}
</style>
${parts.join('\n')}
</svg>
`;
}

main(() => {
  const [metrics, svg = inRoot('docs', 'founding-job.svg')] = process.argv.slice(2);
  if (metrics === undefined) {
    throw new StepError('Expected a metrics file.', {
      advice: 'npm run train -- --metrics FILE writes one.',
    });
  }
  const text = readFileSync(metrics, 'utf8').trim();
  const curve = points(text.split('\n').map((line) => JSON.parse(line)));
  const epochs = curve.at(-1)?.epoch ?? 0;
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const last = curve.findLast((point) => point.epoch === epoch);
    process.stdout.write(
      `epoch ${epoch}: ${last?.accuracy.toFixed(4)}, founding example ${founding[epoch - 1] ?? '-'}\n`,
    );
  }
  writeFileSync(svg, draw(curve, epochs));
  process.stdout.write(`${svg} written\n`);
});
