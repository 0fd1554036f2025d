/** Losses in float64. Formulas: torch.nn.functional's. */
import type { Attrs } from '../../../dist/graph/spec.js';
import { softmaxRow } from './pointwise.js';
import { type Kernel, number, type Tensor64 } from './tensor.js';

/** The place in `reductions`. */
const none = 2;

/** Puts losses together, which `divisor` divides where the mean is wanted. */
function reduce(losses: Float64Array, loss: Tensor64, attrs: Attrs, divisor: number): void {
  const sum = losses.reduce((a, b) => a + b, 0);
  loss.data.set(number(attrs, 'reduction') === none ? losses : [sum / divisor]);
}

/** What losses of this reduction are divided by. */
function divisorOf(attrs: Attrs, weight: number): number {
  return number(attrs, 'reduction') === 0 ? weight : 1;
}

/** @param logs Whether the first input is log-probabilities. */
function classLoss(logs: boolean): Kernel {
  return ([input, targets, count, weight], [loss, correct, grad], attrs) => {
    const [rows, classes] = input!.shape as [number, number];
    const soft = targets!.shape.length === 2;
    const smoothing = logs ? 0 : number(attrs, 'labelSmoothing');
    const losses = new Float64Array(rows);
    const grads = new Float64Array(rows * classes);
    let total = 0;
    correct!.data[0] = 0;
    for (let row = 0; row < count!.data[0]!; row++) {
      const x = input!.data.slice(row * classes, (row + 1) * classes);
      const target = soft ? targets!.data.slice(row * classes, (row + 1) * classes) : undefined;
      const label = target ? target.indexOf(Math.max(...target)) : targets!.data[row]!;
      if (!soft && label === number(attrs, 'ignoreIndex')) continue;
      const probabilities = logs ? new Float64Array(classes) : softmaxRow(input!, row);
      const parts = x.map((_, k) => {
        const share = target ? target[k]! : k === label ? 1 : 0;
        return (weight?.data[k] ?? 1) * ((1 - smoothing) * share + smoothing / classes);
      });
      const sum = parts.reduce((a, b) => a + b);
      for (const [k, part] of parts.entries()) {
        if (part !== 0) losses[row]! -= part * (logs ? x[k]! : Math.log(probabilities[k]!));
        grads[row * classes + k] = sum * probabilities[k]! - part;
      }
      total += soft ? 1 : (weight?.data[label] ?? 1);
      if (x.indexOf(Math.max(...x)) === label) correct!.data[0]! += 1;
    }
    const divisor = divisorOf(attrs, total);
    reduce(losses, loss!, attrs, divisor);
    grad?.data.set(grads.map((each) => each / divisor));
  };
}

const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Element `index` of an example of what repeats over it. */
function weightAt({ data, shape }: Tensor64, example: readonly number[], index: number): number {
  let [rest, place, stride] = [index, 0, 1];
  for (let axis = 1; axis <= shape.length; axis++) {
    const own = shape.at(-axis)!;
    place += own === 1 ? 0 : (rest % example.at(-axis)!) * stride;
    stride *= own;
    rest = Math.floor(rest / example.at(-axis)!);
  }
  return data[place]!;
}

type Formula = (x: number, target: number, parameter: number) => readonly [number, number];

function elementLoss(formula: Formula, parameterOf: (attrs: Attrs) => number = () => 1): Kernel {
  return ([input, target, count, weight, posWeight], [loss, grad], attrs) => {
    const [rows = 0, ...example] = input!.shape;
    const perRow = input!.data.length / rows;
    const losses = new Float64Array(input!.data.length);
    const grads = new Float64Array(input!.data.length);
    const valid = count!.data[0]! * perRow;
    for (let at = 0; at < valid; at++) {
      const factor = weight ? weightAt(weight, example, at % perRow) : 1;
      const parameter = posWeight ? weightAt(posWeight, example, at % perRow) : parameterOf(attrs);
      const [value, slope] = formula(input!.data[at]!, target!.data[at]!, parameter);
      losses[at] = value * factor;
      grads[at] = slope * factor;
    }
    const divisor = divisorOf(attrs, valid);
    reduce(losses, loss!, attrs, divisor);
    grad?.data.set(grads.map((each) => each / divisor));
  };
}

export const lossKernels = {
  softmaxCrossEntropy: classLoss(false),
  nllLoss: classLoss(true),
  mseLoss: elementLoss((x, t) => [(x - t) ** 2, 2 * (x - t)]),
  l1Loss: elementLoss((x, t) => [Math.abs(x - t), Math.sign(x - t)]),
  smoothL1Loss: elementLoss(
    (x, t, beta) => {
      const d = x - t;
      if (Math.abs(d) < beta) return [(d * d) / (2 * beta), d / beta];
      return [Math.abs(d) - beta / 2, Math.sign(d)];
    },
    (attrs) => number(attrs, 'beta'),
  ),
  binaryCrossEntropyWithLogits: elementLoss((x, t, weight) => [
    weight * t * softplus(-x) + (1 - t) * softplus(x),
    (1 - t) / (1 + Math.exp(-x)) - (weight * t) / (1 + Math.exp(x)),
  ]),
} satisfies Record<string, Kernel>;
