/** Owns the command line of `npm run bench`. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';

export const usage = `npm run bench -- [options]

Compares AlexNet (1 x 224 x 224) with PyTorch on this machine, in turn, with equal thread counts.

  --json FILE     write the results as JSON
  --markdown      print the tables as Markdown
  --threads N     threads of both sides (default: the cores this process may use)
  --rounds N      timed rounds of each comparison (default 5; inference of batch 1: ten times that)
  --quick         2 rounds, batch 16 in place of 128, shorter data runs
  --only NAMES    comma-separated sections: step, inference, primitives, memory, loader, fit, and,
                  on request alone, held (for how long calls hold the event loop) and ops (every row
                  of ts/test/op-cases.json)
  --no-peer       measure neuronode alone
  --help          show this text`;

/** What runs unless --only is given. */
const usual = ['step', 'inference', 'primitives', 'memory', 'loader', 'fit'] as const;
/** Parts of the benchmark, in the order they run. */
export const sections = [...usual, 'held', 'ops'] as const;
export type Section = (typeof sections)[number];

export interface Options {
  readonly json: string | undefined;
  readonly markdown: boolean;
  readonly threads: number;
  readonly rounds: number;
  readonly quick: boolean;
  readonly only: ReadonlySet<Section>;
  readonly peer: boolean;
  readonly help: boolean;
  /** The larger batch: 128, or 16 with --quick. */
  readonly batch: number;
}

/** @throws Error with a message for the user. */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'string' },
      markdown: { type: 'boolean', default: false },
      threads: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      'no-peer': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return {
    json: values.json,
    markdown: values.markdown,
    threads: count('--threads', values.threads, availableParallelism()),
    rounds: count('--rounds', values.rounds, values.quick ? 2 : 5),
    quick: values.quick,
    only: new Set(values.only === undefined ? usual : values.only.split(',').map(toSection)),
    peer: !values['no-peer'],
    help: values.help,
    batch: values.quick ? 16 : 128,
  };
}

function count(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new Error(`${name}: expected an integer of 1 or more, got '${text}'`);
  }
  return value;
}

function toSection(name: string): Section {
  const section = sections.find((known) => known === name);
  if (section === undefined) {
    throw new Error(`--only: expected names of ${sections.join(', ')}, got '${name}'`);
  }
  return section;
}
