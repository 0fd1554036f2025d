/**
 * Owns the form of results.md, of which docs/gpu-results.md is a copy.
 *
 * Policy: times of an emulated device say nothing of a GPU, and the results say so at their top.
 */

export const emulatedNote =
  '**Emulated device: these are times of an imitation on the CPU and say nothing of a GPU.**';

const head = `# Results on a GPU

Written by \`npm run gpu-check\`, or by the pack that \`npm run gpu-pack\` makes; do not edit. A floor is
the longer of two times: the bytes that a kernel's operands take, each moved once, over the bandwidth
that an addition of long vectors reached here; and the operations of its products over the rate that
large matrix products of their precision reached. A step's time is that of one step among many with two
under way, upload and read-back included; PyTorch's images lie on the device, and its loss is read once
per block of steps. Kernel times are medians by the device's own clock, of kernels called one behind the
other.`;

/** More passed checks than these are only counted. */
const mostShown = 12;

const cell = (text) =>
  String(text)
    .replaceAll('|', '\\|')
    .replace(/\s*\n\s*/g, '; ');

/** Columns of numbers are aligned by their ends. */
const number = /^(-|Infinity|[\d.]+(e[+-]\d+)?)?$/;

function table(titles, rows) {
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
  const isNumbers = (column) => rows.every((row) => number.test(String(row[column])));
  const rule = titles.map((_, column) => (isNumbers(column) ? '---:' : '---'));
  return [titles, rule, ...rows].map(line).join('\n');
}

function checksText(checks) {
  const failed = checks.filter(({ ok }) => !ok);
  const shown = checks.length <= mostShown ? checks : failed;
  const count = `${checks.length - failed.length} checks passed, ${failed.length} failed`;
  if (shown.length === 0) return `${count}.`;
  const rows = shown.map(({ name, ok, detail }) => [name, ok ? 'passed' : '**FAILED**', detail]);
  return `${count}.\n\n${table(['check', 'result', ''], rows)}`;
}

function sectionText({ title, outcome, reason, seconds, facts, checks, tables }) {
  const why = reason === '' ? '' : `: ${cell(reason)}`;
  const blocks = [`## ${title}`, `${outcome}, ${seconds} s${why}`];
  if (facts.length > 0) {
    blocks.push(facts.map(({ name, value }) => `- ${name}: ${cell(value)}`).join('\n'));
  }
  if (checks.length > 0) blocks.push(checksText(checks));
  for (const { title: name, head: titles, rows } of tables)
    blocks.push(`### ${name}`, table(titles, rows));
  return blocks.join('\n\n');
}

/** Failed checks that the lines of a section name; the results have them all. */
const mostNamed = 5;

/** Each section in a line, and the first of its failed checks. */
export function summaryLines(sections) {
  return sections.flatMap(({ title, outcome, reason, seconds, checks }) => {
    const failed = checks.filter(({ ok }) => !ok);
    const passed = checks.length - failed.length;
    const counts = checks.length === 0 ? '' : `, ${passed} of ${checks.length} checks`;
    const why = reason === '' ? '' : `: ${reason.split('\n')[0]}`;
    const named = failed
      .slice(0, mostNamed)
      .map(({ name, detail }) => `  ${name}: ${detail.replace(/\s+/g, ' ').slice(0, 200)}`);
    const more = failed.length > mostNamed ? [`  and ${failed.length - mostNamed} more`] : [];
    return [`${outcome}: ${title}, ${seconds} s${counts}${why}`, ...named, ...more];
  });
}

/**
 * @param {{ started: string, minutes: number, pack: object, emulated: boolean | null,
 *   sections: import('./sequence.mjs').SectionResult[] }} run
 */
export function asMarkdown({ started, minutes, pack, emulated, sections }) {
  const of = pack.commit === undefined ? '' : `, of commit ${pack.commit}`;
  const blocks = [
    head,
    ...(emulated ? [emulatedNote] : []),
    `Begun ${started}, for ${minutes} minutes at most${of}.`,
    table(
      ['section', 'outcome', 'seconds', ''],
      sections.map(({ title, outcome, seconds, reason }) => [
        title,
        outcome === 'failed' ? '**FAILED**' : outcome,
        seconds,
        reason.split('\n')[0],
      ]),
    ),
    ...sections.filter(({ outcome }) => outcome !== 'not run').map(sectionText),
  ];
  return `${blocks.join('\n\n')}\n`;
}
