/**
 * Owns what a kernel must do at least: the bytes of its operands, each once, and the operations of
 * its products. From the shapes of the graph, so that they hold for any network and batch.
 *
 * Policy: a floor is a lower bound. What a kernel reads on top (a mask, a partial sum) is not in it,
 * and operations beside products count as free.
 */

/**
 * @typedef {object} Cost
 * @property {number} bytes Read and written.
 * @property {number} flops Of products: a multiplication and an addition are two.
 */

const sizes = { u8: 1, i32: 4, f32: 4, f64: 8 };
const isProduct = (op) => /^(conv2d|linear|gemm)/.test(op);
const count = (shape) => shape.reduce((product, extent) => product * extent, 1);

/** The values of a node by the names that its operation gives them; absent ones are left out. */
function slotsOf(node, operations) {
  const { inputs, outputs } = operations[node.op];
  const pair = (ids, slots) => {
    // Of the optional ones the last may be absent.
    let left = ids.length - slots.filter(({ optional }) => !optional).length;
    const present = slots.filter(({ optional }) => !optional || left-- > 0);
    return ids.map((id, index) => [present[index].name, id]);
  };
  return Object.fromEntries([...pair(node.inputs, inputs), ...pair(node.outputs, outputs)]);
}

/**
 * Bytes of one element. In bf16 activations and their gradients take two, and so does the copy of a
 * weight that products read; what the optimizer and the loss see is f32.
 */
function elementBytes({ dtype, kind, shape }, slot, op) {
  if (dtype !== 'f32' || shape.length < 2) return sizes[dtype];
  if (op.endsWith('Step') || op === 'softmaxCrossEntropy') return 4;
  if (slot === 'gw' || slot === 'gb') return 4;
  if (kind === 'parameter') return isProduct(op) ? 2 : 4;
  return 2;
}

function bytesOf(node, values, operations, precision) {
  const { inputs, updates } = operations[node.op];
  const isStep = updates !== undefined;
  let bytes = 0;
  for (const [slot, id] of Object.entries(slotsOf(node, operations))) {
    const value = values[id];
    const size = precision === 'bf16' ? elementBytes(value, slot, node.op) : sizes[value.dtype];
    const isUpdated = isStep && updates.some((index) => inputs[index].name === slot);
    bytes += count(value.shape) * size * (isUpdated ? 2 : 1);
    // The rounded copy of a weight is written in the same pass.
    if (isStep && slot === 'p' && precision === 'bf16' && value.shape.length > 1) {
      bytes += count(value.shape) * 2;
    }
  }
  return bytes;
}

function flopsOf(node, values, operations) {
  if (!isProduct(node.op)) return 0;
  const slots = slotsOf(node, operations);
  const shape = (name) => values[slots[name]].shape;
  if (node.op === 'gemm') {
    return (2 * count(shape('a')) * count(shape('y'))) / shape('y')[0];
  }
  const weight = count(shape('gw' in slots ? 'gw' : 'w'));
  // Each weight takes part once for each image, and, of a convolution, for each output pixel.
  const [rows, , ...pixels] = shape('y' in slots ? 'y' : 'gy');
  return 2 * weight * rows * count(pixels);
}

/** The least that one node costs. A reshape costs nothing. */
export function costOf(node, values, operations, precision) {
  if (node.op === 'reshape') return { bytes: 0, flops: 0 };
  return {
    bytes: bytesOf(node, values, operations, precision),
    flops: flopsOf(node, values, operations),
  };
}

/** Sum of costs. */
export function sumOf(costs) {
  const sum = { bytes: 0, flops: 0 };
  for (const { bytes, flops } of costs) {
    sum.bytes += bytes;
    sum.flops += flops;
  }
  return sum;
}

/**
 * The cost of each step of a program's plan, undefined for a reorder, which no node asked for. A
 * step that stands for several optimizer nodes has the cost of them all.
 *
 * @param {{ nodes: object[], values: object[] }} graph As TypeScript traced it.
 * @param {{ name: string, op: string, phase: string }[]} plan
 */
export function costsOfPlan({ nodes, values }, plan, operations, precision) {
  const cost = (node) => costOf(node, values, operations, precision);
  return plan.map((step) => {
    const sameOp = nodes.filter(({ op }) => op === step.op);
    const isUpdate = operations[step.op]?.updates !== undefined;
    const isMerged = isUpdate && plan.filter(({ op }) => op === step.op).length === 1;
    if (isMerged) return sumOf(sameOp.map(cost));
    const node = sameOp.find(({ name, phase }) => name === step.name && phase === step.phase);
    return node === undefined ? undefined : cost(node);
  });
}

/**
 * The shortest time that a cost can take, in milliseconds, and what sets it; nulls without peaks.
 *
 * @param {Cost} cost
 * @param {import('./peaks.mjs').Peaks} [peaks]
 */
export function floorOf({ bytes, flops }, peaks, precision) {
  if (peaks === undefined) return { memoryMs: null, arithmeticMs: null, ms: null, bound: null };
  const memoryMs = (bytes / peaks.bandwidth) * 1e3;
  const arithmeticMs = (flops / peaks.flops[precision]) * 1e3;
  return {
    memoryMs,
    arithmeticMs,
    ms: Math.max(memoryMs, arithmeticMs),
    bound: memoryMs >= arithmeticMs ? 'memory' : 'arithmetic',
  };
}
