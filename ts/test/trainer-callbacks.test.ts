/** What fit does with the promises of its callbacks: it waits for each, and their failure is its own. */
import type { FitOptions, Reporter } from 'neuronode';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from './data-support.js';
import { learnableLoader, makeTrainer, seededTiny } from './trainer-support.js';

/** Lets other work go on before it notes a name. */
function notes() {
  const seen: string[] = [];
  const later = (name: string) => async () => {
    seen.push(`${name} begins`);
    await new Promise((resolve) => setTimeout(resolve, 5));
    seen.push(`${name} ends`);
  };
  return { seen, later };
}

async function run(options: (dir: string) => Partial<FitOptions>) {
  const dir = await temporaryFolder();
  const loader = learnableLoader(32, {}, 10);
  return makeTrainer(seededTiny()).fit(loader, { epochs: 2, log: false, ...options(dir) });
}

test('callbacks are awaited, one after the other', async () => {
  const { seen, later } = notes();
  const log: Reporter = {
    start: later('start'),
    step: later('step'),
    epoch: later('epoch'),
    end: later('end'),
  };
  await run(() => ({ log, onStep: later('onStep'), onEpoch: later('onEpoch') }));
  const epoch = ['step', 'onStep', 'step', 'onStep', 'epoch', 'onEpoch'];
  const wanted = ['start', ...epoch, ...epoch, 'end'];
  expect(seen).toEqual(wanted.flatMap((name) => [`${name} begins`, `${name} ends`]));
});

test('onSave is awaited: none is called while another runs, and all have ended with fit', async () => {
  const { seen, later } = notes();
  await run((dir) => ({ checkpoint: { dir, everySteps: 1, onSave: later('save') } }));
  const wanted = ['save', 'save', 'save', 'save'];
  expect(seen).toEqual(wanted.flatMap((name) => [`${name} begins`, `${name} ends`]));
});

describe('a callback whose promise is rejected fails fit', () => {
  const fail = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    throw new Error('of the callback');
  };
  test.each<[string, (dir: string) => Partial<FitOptions>]>([
    ['onSave', (dir) => ({ checkpoint: { dir, onSave: fail } })],
    ['onStep', () => ({ onStep: fail })],
    ['onEpoch', () => ({ onEpoch: fail })],
    ['start', () => ({ log: { start: fail } })],
    ['step', () => ({ log: { step: fail } })],
    ['epoch', () => ({ log: { epoch: fail } })],
    ['end', () => ({ log: { end: fail } })],
  ])('%s', async (_, options) => {
    await expect(run(options)).rejects.toThrow('of the callback');
  });
});
