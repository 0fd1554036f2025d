/** The addon's own surface: what it refuses, and that no misuse and no exit ends the process badly. */
import { spawnSync } from 'node:child_process';
import { getNumThreads, setNumThreads } from 'neuronode';
import { describe, expect, it, vi } from 'vitest';
import type { GraphSpec } from '../../dist/graph/spec.js';
import { operations } from '../../dist/graph/table.js';
import {
  type CompileOptions,
  compile as compileOn,
  nativeOperations,
} from '../../dist/program/native.js';
import { testDevice } from './device.js';

const compile = (graph: GraphSpec, options: CompileOptions = {}) =>
  compileOn(graph, { device: testDevice, ...options });

const convolution: GraphSpec = {
  values: [
    { kind: 'input', dtype: 'f32', shape: [8, 16, 16, 16], name: 'x' },
    { kind: 'parameter', dtype: 'f32', shape: [16, 16, 3, 3], name: 'w' },
    { kind: 'intermediate', dtype: 'f32', shape: [8, 16, 16, 16], name: '' },
  ],
  nodes: [
    {
      op: 'conv2d',
      inputs: [0, 1],
      outputs: [2],
      attrs: { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 },
      name: 'layer',
      phase: 'forward',
    },
  ],
  outputs: [{ name: 'y', value: 2 }],
};
const x = new Float32Array(8 * 16 * 16 * 16).fill(1);

/** Runs a script in a process of its own; `program` and `x` are ready in it. */
function runScript(body: string): { status: number | null; output: string } {
  const native = new URL('../../dist/program/native.js', import.meta.url).href;
  const prelude = `
    import { Worker } from 'node:worker_threads';
    const inside = await import(${JSON.stringify(native)});
    const compile = (graph) => inside.compile(graph, { device: ${JSON.stringify(testDevice)} });
    const graph = ${JSON.stringify(convolution)};
    const x = new Float32Array(${x.length}).fill(1);
  `;
  const child = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', `${prelude}\n${body}`],
    { encoding: 'utf8', timeout: 60_000 },
  );
  return { status: child.status, output: child.stdout + child.stderr };
}

describe('a native program', () => {
  it('knows exactly the operations of the table', () => {
    expect([...nativeOperations()].sort()).toEqual(Object.keys(operations).sort());
  });

  it('refuses a malformed graph, with a code', async () => {
    const values = convolution.values.map((value) =>
      value.kind === 'intermediate' ? { ...value, shape: [8, 16, 16, 15] } : value,
    );
    await expect(compile({ ...convolution, values })).rejects.toMatchObject({
      name: 'ShapeError',
      code: 'ERR_NN_SHAPE',
    });
    await expect(compile({} as GraphSpec)).rejects.toMatchObject({ code: 'ERR_NN_ARGUMENT' });
  });

  it('takes fewer rows of an input, but a parameter only whole', async () => {
    const program = await compile(convolution);
    const { y } = await program.run({ x: x.subarray(0, 2 * 16 * 256) });
    expect(y).toHaveLength(x.length);
    const refused = (code: string) => expect.objectContaining({ code });
    expect(() => program.run({ x: x.subarray(1) })).toThrow(refused('ERR_NN_SHAPE'));
    expect(() => program.run({ x: new Int32Array(x.length) })).toThrow(refused('ERR_NN_DTYPE'));
    expect(() => program.run({})).toThrow(refused('ERR_NN_ARGUMENT'));
    await expect(program.write('w', new Float32Array(9))).rejects.toMatchObject({
      code: 'ERR_NN_SHAPE',
    });
    await expect(program.read('nothing')).rejects.toMatchObject({ code: 'ERR_NN_ARGUMENT' });
    await program.dispose();
  });

  describe('writes a large parameter', () => {
    const wide: GraphSpec = {
      ...convolution,
      values: [
        { kind: 'input', dtype: 'f32', shape: [1, 1024, 1, 1], name: 'x' },
        { kind: 'parameter', dtype: 'f32', shape: [1024, 1024, 1, 1], name: 'w' },
        { kind: 'intermediate', dtype: 'f32', shape: [1, 1024, 1, 1], name: '' },
      ],
      nodes: convolution.nodes.map((node) => ({
        ...node,
        attrs: { ...node.attrs, padding: [0, 0] },
      })),
    };
    const weights = () => Float32Array.from({ length: 1024 * 1024 }, (_, i) => i % 977);

    it('in slices, and copies none of it in one go', async () => {
      const program = await compile(wide);
      const write = vi.spyOn(program.raw, 'write');
      const writeStaged = vi.spyOn(program.raw, 'writeStaged');
      await program.write('w', weights());
      expect(await program.read('w')).toEqual(weights());
      expect(write).not.toHaveBeenCalled();
      expect(writeStaged).toHaveBeenCalledTimes(1);
      // The memory is the addon's again.
      const [, staged] = writeStaged.mock.calls[0] ?? [];
      expect(staged?.data).toHaveLength(0);
      expect(() => program.raw.writeStaged('w', staged!)).toThrow(/written from this memory/);
      await expect(program.write('w', weights().subarray(1))).rejects.toMatchObject({
        code: 'ERR_NN_SHAPE',
      });
      await expect(program.write('v', weights())).rejects.toMatchObject({
        code: 'ERR_NN_ARGUMENT',
      });
      await program.dispose();
    });

    it('or an error, where its array is transferred meanwhile or the program goes', async () => {
      const program = await compile(wide);
      const data = weights();
      const writing = program.write('w', data);
      structuredClone(data, { transfer: [data.buffer] });
      await expect(writing).rejects.toMatchObject({ code: 'ERR_NN_SHAPE' });
      const late = expect(program.write('w', weights())).rejects.toMatchObject({
        code: 'ERR_NN_DISPOSED',
      });
      await program.dispose();
      await late;
    });
  });

  it('finishes the runs under way before it is disposed of', async () => {
    const program = await compile(convolution);
    await program.write('w', new Float32Array(16 * 16 * 9).fill(1));
    const runs = Array.from({ length: 4 }, () => program.run({ x }));
    await Promise.all([program.dispose(), program.dispose()]);
    for (const { y } of await Promise.all(runs)) expect(y?.[17]).toBe(144);
    expect(() => program.run({ x })).toThrow(expect.objectContaining({ code: 'ERR_NN_DISPOSED' }));
    expect(() => program.plan()).toThrow(/disposed/);
  });

  it('survives inputs that dispose of it while they are read', async () => {
    const program = await compile(convolution);
    const inputs = {
      get x() {
        void program.dispose();
        return x;
      },
    };
    expect((await program.run(inputs)).y).toHaveLength(x.length);
  });

  it('computes with as many threads as asked for, and refuses a slip', () => {
    const threads = getNumThreads();
    setNumThreads(1);
    expect(getNumThreads()).toBe(1);
    setNumThreads(threads);
    for (const wrong of [0, -1, 1.5, 1e6, Number.NaN]) {
      expect(() => setNumThreads(wrong)).toThrow(/number of threads/);
    }
  });
});

describe('a process with runs in flight', () => {
  it('leaves at once and in order by process.exit()', () => {
    const { status, output } = runScript(`
      const program = await compile(graph);
      for (let i = 0; i < 200; i++) void program.run({ x });
      setTimeout(() => process.exit(7), 5);
    `);
    expect({ status, output }).toEqual({ status: 7, output: '' });
  });

  it('settles nothing after the exit event, and does not hang', () => {
    const { status, output } = runScript(`
      const program = await compile(graph);
      process.on('exit', () => void program.run({ x }).catch(() => {}));
      process.exit(0);
    `);
    expect({ status, output }).toEqual({ status: 0, output: '' });
  });

  it('survives the termination of workers that have many', () => {
    const { status, output } = runScript(`
      const native = ${JSON.stringify(new URL('../../dist/program/native.js', import.meta.url).href)};
      const code = \`
        import { parentPort, workerData } from 'node:worker_threads';
        const { compile } = await import(workerData.native);
        const { graph, device } = workerData;
        const program = await compile(graph, { device });
        for (let i = 0; i < 50; i++) void program.run({ x: workerData.x });
        parentPort.postMessage('busy');
      \`;
      const workerData = { native, graph, x, device: ${JSON.stringify(testDevice)} };
      for (let i = 0; i < 10; i++) {
        const worker = new Worker(code, { eval: true, workerData });
        await new Promise((resolve) => worker.once('message', resolve));
        await new Promise((resolve) => setTimeout(resolve, i));
        await worker.terminate();
      }
      const program = await compile(graph);
      console.log((await program.run({ x })).y.length);
    `);
    expect({ status, output }).toEqual({ status: 0, output: `${x.length}\n` });
  });
});
