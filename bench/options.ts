/** Owns the command line of `npm run bench`. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { type Network, type NetworkName, networkNames } from './networks.js';

export const usage = `npm run bench -- [options]

Compares networks with PyTorch on this machine, in turn, with equal thread counts.

  --model NAMES   comma-separated: ${networkNames.join(', ')}, or all (the default)
  --json FILE     write the results as JSON
  --markdown      print the tables as Markdown
  --threads N     threads of both sides (default: the cores this process may use)
  --rounds N      timed rounds of each comparison (default 5; inference of batch 1: ten times that)
  --quick         2 rounds, batches of an eighth, shorter data runs
  --only NAMES    comma-separated sections: of every network step, inference, primitives, memory; of
                  AlexNet's data loader, fit; and, on request alone, held (for how long calls hold the
                  event loop) and ops (every row of ts/test/op-cases.json)
  --no-peer       measure neuronode alone
  --help          show this text`;

/** Parts of the benchmark that each network has, in the order they run. */
export const networkSections = ['step', 'inference', 'primitives', 'memory'] as const;
/** The others, in the order they run, after those. */
export const otherSections = ['loader', 'fit', 'held', 'ops'] as const;
const sections = [...networkSections, ...otherSections] as const;
/** What runs unless --only is given. */
const usual: readonly Section[] = [...networkSections, 'loader', 'fit'];
export type Section = (typeof sections)[number];

export interface Options {
  readonly models: readonly NetworkName[];
  readonly json: string | undefined;
  readonly markdown: boolean;
  readonly threads: number;
  readonly rounds: number;
  readonly quick: boolean;
  readonly only: ReadonlySet<Section>;
  readonly peer: boolean;
  readonly help: boolean;
}

/** The larger batch of a network: an eighth with --quick. */
export function batchOf({ batch }: Network, { quick }: Options): number {
  return quick ? batch / 8 : batch;
}

/** @throws Error with a message for the user. */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      model: { type: 'string', default: 'all' },
      json: { type: 'string' },
      markdown: { type: 'boolean', default: false },
      threads: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: usual.join(',') },
      'no-peer': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return {
    models: values.model === 'all' ? networkNames : namesOf('--model', values.model, networkNames),
    json: values.json,
    markdown: values.markdown,
    threads: count('--threads', values.threads, availableParallelism()),
    rounds: count('--rounds', values.rounds, values.quick ? 2 : 5),
    quick: values.quick,
    only: new Set(namesOf('--only', values.only, sections)),
    peer: !values['no-peer'],
    help: values.help,
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

function namesOf<T extends string>(
  option: string,
  text: string,
  known: readonly T[],
): readonly T[] {
  return text.split(',').map((name) => {
    const found = known.find((it) => it === name);
    if (found === undefined) {
      throw new Error(`${option}: expected names of ${known.join(', ')}, got '${name}'`);
    }
    return found;
  });
}
