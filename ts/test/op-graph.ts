/**
 * Makes a graph of a row of op-cases.json: the operation and its gradient operations, all of whose
 * outputs are returned. For what a whole graph alone shows: the kernels chosen, and their times.
 *
 * Policy: the package's inside comes as an argument, so that the benchmark, which is compiled to
 * another folder, can use this too.
 */
import type { Attrs, GraphSpec } from '../../dist/graph/spec.js';
import type { OpName } from '../../dist/graph/table.js';
import { attrsOf, type OpCase, openShape } from './op-cases.js';

/** The package's inside views that a graph is made with. */
export interface GraphTools {
  readonly GraphBuilder: typeof import('../../dist/graph/builder.js').GraphBuilder;
  readonly finish: typeof import('../../dist/graph/finish.js').finish;
  readonly operations: typeof import('../../dist/graph/table.js').operations;
  readonly pooledShape: typeof import('../../dist/graph/ops/pooling.js').pooledShape;
}

type Shape = readonly number[];

/** Inputs have the names of the contract: x, w, b, gy, p, g, m, v, step, lr, count. */
export function caseGraph(opCase: OpCase, tools: GraphTools): GraphSpec {
  const builder = new tools.GraphBuilder();
  const ids = new Map<string, number>();
  let gradientShape: Shape | undefined; // of gy, once there is a y
  for (const op of [opCase.op, ...opCase.gradients]) {
    const { inputs, outputs, updates = [], attrs } = tools.operations[op];
    const slots = op === 'concat' ? partsOf(opCase) : inputs;
    const given = slots.flatMap(({ name, dtypes, optional }, index) => {
      const shape = name === 'gy' ? gradientShape : inputShape(opCase, name);
      if (!ids.has(name) && shape !== undefined) {
        const isParameter = index === 0 || dtypes[0] === 'i32';
        const kind = !updates.includes(index) ? 'input' : isParameter ? 'parameter' : 'state';
        const areProbabilities = name === 'labels' && opCase.distributions.labels === 'unit';
        ids.set(name, builder.named(kind, name, areProbabilities ? 'f32' : dtypes[0]!, shape));
      }
      const id = ids.get(name);
      if (id === undefined && optional !== true) throw new Error(`${opCase.id} has no ${name}`);
      return id ?? [];
    });
    const made = builder.apply(op, given, contractAttrs(opCase, Object.keys(attrs)), {
      name: op,
      phase: op === opCase.op ? 'forward' : 'backward',
      shapes: outputs.map(({ name }) => outputShape(opCase, op, name, tools)),
    });
    for (const [index, { name }] of outputs.entries()) ids.set(name, made[index]!);
    gradientShape ??= made[0] === undefined ? undefined : builder.value(made[0]).shape;
  }
  if (opCase.shapes.b === undefined) ids.delete('gb');
  const returned = [...ids].filter(([, id]) => builder.value(id).kind === 'intermediate');
  return tools.finish(builder, new Map(returned));
}

/** The inputs of a row of concat, which has a name for each. */
function partsOf({ shapes }: OpCase) {
  return Object.keys(shapes).map((name) => ({ name, dtypes: ['f32'] as const, optional: false }));
}

/** A row of running statistics says what its batches are, and of a momentum of null what it means. */
function contractAttrs(opCase: OpCase, names: readonly string[]): Attrs {
  if (opCase.op !== 'batchNormUpdate') return attrsOf(opCase, names);
  const { momentum } = opCase.attrs;
  const [, , height = 1, width = 1] = opCase.shapes.x ?? [];
  const attrs = { momentum: momentum ?? 0, cumulative: momentum === null, pixels: height * width };
  return attrsOf({ attrs }, names);
}

function inputShape({ shapes, attrs }: OpCase, name: string): Shape | undefined {
  const own = shapes[name];
  if (own !== undefined) return own;
  if (['step', 'lr', 'count', 'numBatches'].includes(name)) return [];
  if (/^(mean|var|runningMean|runningVar)$/.test(name)) return shapes.x?.slice(1, 2);
  const isOfParameter = name === 'momentumBuffer' ? attrs.momentum !== 0 : /^[gmv]$/.test(name);
  return isOfParameter ? shapes.p : undefined;
}

/** Shapes that inputs and attributes leave open: of windows, of reshape, and of gradients. */
function outputShape(
  opCase: OpCase,
  op: OpName,
  name: string,
  { operations, pooledShape }: GraphTools,
): Shape | undefined {
  const { shapes, attrs } = opCase;
  if (name !== 'y') return shapes[name.slice(1)];
  const x = shapes.x ?? [];
  switch (op) {
    case 'maxPool2d':
    case 'avgPool2d': {
      const declared = attrsOf({ attrs }, Object.keys(operations[op].attrs));
      return pooledShape(op, x, declared, attrs.ceilMode === true);
    }
    case 'adaptiveAvgPool2d':
      return [...x.slice(0, 2), ...(attrs.outputSize as number[])];
    default:
      return openShape(opCase);
  }
}
