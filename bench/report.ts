/** Owns the form of the results: the rows, the printed table and the JSON file. */
import type { Machine } from './machine.js';
import type { NetworkName } from './networks.js';
import type { PeerInfo, PeerSettings } from './peer.js';

/** A comparison of times; `ratio` is peer / ours, above 1 where neuronode is the faster. */
export interface Timing {
  readonly name: string;
  readonly subject: string;
  readonly peer: string | null;
  readonly batch: number;
  readonly precision: 'f32';
  readonly threads: number;
  readonly median_ms: number;
  readonly peer_median_ms: number | null;
  readonly ratio: number | null;
}

/** Any other figure; `ratio` is peer / ours where a peer has it too. */
export interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly value: number;
  readonly peer_value: number | null;
  readonly ratio: number | null;
}

export interface PeerReport extends PeerInfo {
  /** Of each network. */
  readonly settings: Readonly<Partial<Record<NetworkName, PeerSettings>>>;
}

export interface Report {
  readonly machine: Machine;
  readonly peer: PeerReport | null;
  readonly results: Timing[];
  readonly measures: Measure[];
}

interface Table {
  /** What the rows are; the first column has no title. */
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The report for a terminal. */
export function asText(report: Report): string {
  const blocks = [[...describe(report), ratioNote], ...tables(report).map(textTable)];
  return blocks.map((lines) => `\n${lines.join('\n')}`).join('\n');
}

/** The report as Markdown. */
export function asMarkdown(report: Report): string {
  const facts = [...describe(report), ratioNote].map((line) => `- ${line}`);
  const blocks = [facts, ...tables(report).map(markdownTable)];
  return blocks.map((lines) => lines.join('\n')).join('\n\n');
}

const ratioNote = 'ratio: peer / ours, above 1 where neuronode is faster';

/** The machine and both sides, a line each. */
function describe({ machine, peer }: Report): string[] {
  const libraries = Object.entries(machine.libraries).map(
    ([name, version]) => `${name} ${version}`,
  );
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.os}`,
    `Node ${machine.node}, ${libraries.join(', ')}, commit ${machine.commit}, ` +
      `load before the run ${machine.load.toFixed(2)}`,
  ];
  if (peer === null) return lines;
  const { name, version, cpuCapability, settings } = peer;
  const chosen = Object.entries(settings).map(
    ([network, { memoryFormat, memoryFormatMs, adam, adamMs }]) =>
      `${name} for ${network}: ${memoryFormat}, ${adam} Adam: ` +
      `the fastest of ${listed(memoryFormatMs)} and ${listed(adamMs)}`,
  );
  return [...lines, `${name} ${version} (${cpuCapability}), eager`, ...chosen];
}

function tables({ results, measures }: Report): Table[] {
  const ratio = (value: number | null) => value?.toFixed(2) ?? '-';
  const ms = (value: number | null) => (value === null ? '-' : `${short(value)} ms`);
  const all = [
    {
      head: ['f32', 'batch', 'threads', 'neuronode', results[0]?.peer ?? 'peer', 'ratio'],
      rows: results.map((row) => [
        row.name,
        String(row.batch),
        String(row.threads),
        ms(row.median_ms),
        ms(row.peer_median_ms),
        ratio(row.ratio),
      ]),
    },
    {
      head: ['', 'unit', 'neuronode', 'peer', 'ratio'],
      rows: measures.map((row) => [
        row.name,
        row.unit,
        short(row.value),
        row.peer_value === null ? '-' : short(row.peer_value),
        ratio(row.ratio),
      ]),
    },
  ];
  return all.filter(({ rows }) => rows.length > 0);
}

function listed(times: Readonly<Record<string, number>>): string {
  const parts = Object.entries(times).map(([name, ms]) => `${name} ${short(ms)} ms`);
  return `(${parts.join(', ')})`;
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function textTable({ head, rows }: Table): string[] {
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]!.length)),
  );
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!);
  return [head, ...rows].map((row) => row.map(pad).join('  '));
}

function markdownTable({ head, rows }: Table): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [head, rule, ...rows].map(line);
}
