/**
 * Owns which device the tests run on: that of the environment variable NEURONODE_TEST_DEVICE, the CPU
 * unless it is set. Tests of single operations call them through {@link deviceOps}, which names the
 * device; trainers, predictors and programs are given {@link testDevice}.
 */
import { ops } from 'neuronode';

/** The device under test. */
export const testDevice = process.env.NEURONODE_TEST_DEVICE || 'cpu';

/** Whether it is the CPU. */
export const isOnCpu = testDevice === 'cpu';

type Operations = typeof ops;

/** The place of the options among the arguments; they come last, and mostly have a default. */
function optionsIndex(name: string, operation: { readonly length: number }): number {
  if (name === 'run') return 3;
  return ['adamStep', 'batchNormUpdate', 'rmspropStep', 'sgdStep'].includes(name)
    ? 1
    : operation.length;
}

/** The operations, on the device unless a call names another. */
export function operationsOn(device: string): Operations {
  const named = Object.entries(ops).map(([name, value]) => {
    const operation = value as (...args: unknown[]) => unknown;
    if (name === 'clearCache') return [name, operation];
    const index = optionsIndex(name, operation);
    const call = (...args: unknown[]) => {
      const given = args[index] === undefined ? {} : args[index];
      // What is no options object is for the operation to refuse.
      const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
      const all = [...args];
      all[index] = isObject ? { device, ...given } : given;
      return operation(...all);
    };
    return [name, call];
  });
  return Object.fromEntries(named) as Operations;
}

/** The operations on the device under test. */
export const deviceOps = operationsOn(testDevice);
