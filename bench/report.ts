/** Owns the form of the results: the rows, the printed table and the JSON file. */
import type { Machine } from './machine.js';
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

export interface Report {
  readonly machine: Machine;
  readonly peer: (PeerInfo & PeerSettings) | null;
  readonly results: Timing[];
  readonly measures: Measure[];
}

export function printReport(report: Report): void {
  const { machine, peer } = report;
  const lines = [
    '',
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.os}`,
    `Node ${machine.node}, commit ${machine.commit}, load before the run ${machine.load.toFixed(2)}`,
  ];
  if (peer !== null) {
    lines.push(
      `${peer.name} ${peer.version} (${peer.cpuCapability}), eager, ${peer.memoryFormat}, ` +
        `${peer.adam} Adam: the fastest of ${fastest(peer.memoryFormatMs)} and ${fastest(peer.adamMs)}`,
    );
  }
  if (report.results.length > 0) {
    lines.push('', 'ratio: peer / ours, above 1 where neuronode is faster');
    lines.push(
      ...table(
        ['', 'batch', 'threads', 'ours', 'peer', 'ratio'],
        report.results.map((row) => [
          row.name,
          String(row.batch),
          String(row.threads),
          `${row.median_ms.toFixed(1)} ms`,
          row.peer_median_ms === null ? '-' : `${row.peer_median_ms.toFixed(1)} ms`,
          row.ratio === null ? '-' : row.ratio.toFixed(2),
        ]),
      ),
    );
  }
  if (report.measures.length > 0) {
    lines.push('');
    lines.push(
      ...table(
        ['', 'unit', 'ours', 'peer', 'ratio'],
        report.measures.map((row) => [
          row.name,
          row.unit,
          short(row.value),
          row.peer_value === null ? '-' : short(row.peer_value),
          row.ratio === null ? '-' : row.ratio.toFixed(2),
        ]),
      ),
    );
  }
  console.log(lines.join('\n'));
}

function fastest(times: Readonly<Record<string, number>>): string {
  const parts = Object.entries(times).map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`);
  return `(${parts.join(', ')})`;
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function table(head: string[], rows: string[][]): string[] {
  const widths = head.map((_, column) =>
    Math.max(...[head, ...rows].map((row) => row[column]!.length)),
  );
  return [head, ...rows].map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  '),
  );
}
