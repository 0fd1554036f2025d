/** Worker threads: the same batches as without them, and no thread left behind. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { data, WorkerError } from 'neuronode';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  collect,
  countLooksAtClock,
  hasEnded,
  syntheticDataset,
  watchWorkers,
} from './data-support.js';

const { DataLoader, Resize } = data;

const dataset = syntheticDataset(300, { imageShape: [3, 9, 7], transform: new Resize([20, 18]) });
const options = { batchSize: 16, shuffle: true, seed: 5 };

/** Workers that have not ended hold resources of this kind. */
function activeThreads(): number {
  return process.getActiveResourcesInfo().filter((name) => /worker|messageport/i.test(name)).length;
}

describe('with workers', () => {
  it('order and content are those without, over two epochs', async () => {
    const plain = new DataLoader(dataset, options);
    const expected = [await collect(plain), await collect(plain)];
    expect(expected[0]).not.toEqual(expected[1]);
    for (const numWorkers of [1, 2, 3]) {
      await using loader = new DataLoader(dataset, { ...options, numWorkers });
      expect([await collect(loader), await collect(loader)]).toEqual(expected);
    }
  });

  it('a batch that is kept never changes', async () => {
    await using loader = new DataLoader(dataset, { ...options, numWorkers: 2 });
    const kept: data.Batch[] = [];
    for await (const batch of loader) {
      kept.push(batch);
      if (batch.index % 3 === 0) kept.pop()!.release();
    }
    const plain = await collect(new DataLoader(dataset, options));
    for (const batch of kept) expect([...batch.image]).toEqual(plain[batch.index]!.image);
    expect(kept.length).toBeGreaterThan(10);
  });

  it('a released batch’s memory goes back to the workers', async () => {
    await using loader = new DataLoader(dataset, { ...options, numWorkers: 1, prefetchFactor: 1 });
    let reused = 0;
    for (let epoch = 0; epoch < 3; epoch++) {
      for await (const batch of loader) {
        // The last batch is smaller: behind its pixels lie those of an earlier one.
        if (batch.size < 16 && new Uint8Array(batch.image.buffer).at(-1) !== 0) reused += 1;
        batch.release();
      }
    }
    expect(reused).toBe(3);
  });

  it('iterations may overlap', async () => {
    await using loader = new DataLoader(dataset, { ...options, numWorkers: 2 });
    const both = await Promise.all([collect(loader), collect(loader)]);
    const plain = new DataLoader(dataset, options);
    expect(both).toEqual([await collect(plain), await collect(plain)]);
  });

  it('break stops cleanly, and the next epoch is whole', async () => {
    const started = watchWorkers();
    await using loader = new DataLoader(dataset, { ...options, numWorkers: 2 });
    for await (const batch of loader) {
      if (batch.index === 2) break;
    }
    const plain = new DataLoader(dataset, options);
    plain.setEpoch(1);
    expect(await collect(loader)).toEqual(await collect(plain));
    expect(started).toHaveLength(2);
  });

  it('close ends every thread, and is idempotent', async () => {
    const before = activeThreads();
    const started = watchWorkers();
    const loader = new DataLoader(dataset, { ...options, numWorkers: 3 });
    const iterator = loader[Symbol.asyncIterator]();
    await iterator.next();
    expect(started).toHaveLength(3);
    await Promise.all([loader.close(), loader.close()]);
    await loader.close();
    expect(started.every(hasEnded)).toBe(true);
    expect(activeThreads()).toBe(before);
    await expect(iterator.next()).rejects.toMatchObject({ code: 'ERR_NN_DISPOSED' });
    await expect(collect(loader)).rejects.toMatchObject({ code: 'ERR_NN_DISPOSED' });
    expect(started).toHaveLength(3);
  });

  it.each([0, 2])('close rejects the pending step, numWorkers %i', async (numWorkers) => {
    countLooksAtClock(); // so that no batch is filled in one turn of the event loop
    const loader = new DataLoader(dataset, { batchSize: 300, numWorkers });
    const pending = loader[Symbol.asyncIterator]().next();
    await Promise.all([
      expect(pending).rejects.toMatchObject({ code: 'ERR_NN_DISPOSED' }),
      loader.close(),
    ]);
  });
});

describe('workers without work', () => {
  /** Until the test's end, timers of ten seconds run out when the test says so. */
  const watchTimers = () => {
    const { setTimeout, clearTimeout } = globalThis;
    const running = new Map<unknown, () => void>();
    const start = (call: () => void, ms: number) => {
      const timer = setTimeout(call, ms);
      if (ms === 10_000) running.set(timer, call);
      return timer;
    };
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(start as typeof setTimeout);
    vi.spyOn(globalThis, 'clearTimeout').mockImplementation((timer) => {
      running.delete(timer);
      clearTimeout(timer);
    });
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
    return {
      count: () => running.size,
      runOut: () => {
        for (const [timer, call] of running) {
          running.delete(timer);
          call();
        }
      },
    };
  };

  it('end after ten seconds, and the next epoch starts them anew', async () => {
    const timers = watchTimers();
    const started = watchWorkers();
    const plain = new DataLoader(dataset, options);
    await using loader = new DataLoader(dataset, { ...options, numWorkers: 2 });
    expect(await collect(loader)).toEqual(await collect(plain));
    expect(timers.count()).toBe(1);
    timers.runOut();
    await vi.waitFor(() => expect(started.every(hasEnded)).toBe(true));
    expect(started).toHaveLength(2);
    expect(await collect(loader)).toEqual(await collect(plain));
    expect(started).toHaveLength(4);
    expect(started.slice(2).some(hasEnded)).toBe(false);
  });

  it('end in the middle of an epoch, and its next step starts them anew', async () => {
    const timers = watchTimers();
    const started = watchWorkers();
    await using loader = new DataLoader(dataset, { ...options, numWorkers: 2 });
    const seen: number[] = [];
    for await (const batch of loader) {
      seen.push(...batch.label);
      if (batch.index !== 5) continue;
      await vi.waitFor(() => expect(timers.count()).toBe(1)); // all that was asked for is filled
      timers.runOut();
    }
    const wanted = await collect(new DataLoader(dataset, options));
    expect(seen).toEqual(wanted.flatMap(({ label }) => label));
    expect(started).toHaveLength(4);
  });

  it('are waited for by close, and leave no timer', async () => {
    const timers = watchTimers();
    const started = watchWorkers();
    const loader = new DataLoader(dataset, { ...options, numWorkers: 2 });
    await collect(loader);
    timers.runOut();
    await loader.close();
    expect(started.every(hasEnded)).toBe(true);
    const other = new DataLoader(dataset, { ...options, numWorkers: 2 });
    await collect(other);
    await other.close();
    expect(timers.count()).toBe(0);
  });
});

describe('an abort', () => {
  it.each([0, 2])('ends the iteration with its reason, numWorkers %i', async (numWorkers) => {
    const started = watchWorkers();
    const controller = new AbortController();
    const reason = new Error('enough');
    const loader = new DataLoader(dataset, { ...options, numWorkers, signal: controller.signal });
    const seen: number[] = [];
    const run = async () => {
      for await (const batch of loader) {
        seen.push(batch.index);
        if (batch.index === 2) controller.abort(reason);
      }
    };
    await expect(run()).rejects.toBe(reason);
    expect(seen).toEqual([0, 1, 2]);
    expect(started).toHaveLength(numWorkers);
    expect(started.every(hasEnded)).toBe(true);
    await expect(collect(loader)).rejects.toBe(reason);
  });

  it.each([0, 2])('rejects the pending step, numWorkers %i', async (numWorkers) => {
    countLooksAtClock(); // so that no batch is filled in one turn of the event loop
    const started = watchWorkers();
    const controller = new AbortController();
    const { signal } = controller;
    const loader = new DataLoader(dataset, { batchSize: 300, numWorkers, signal });
    const pending = loader[Symbol.asyncIterator]().next();
    expect(started).toHaveLength(numWorkers); // the batch is being filled
    controller.abort();
    await expect(pending).rejects.toMatchObject({ name: 'AbortError' });
    expect(started.every(hasEnded)).toBe(true);
  });

  it('before the start begins nothing', async () => {
    const started = watchWorkers();
    const signal = AbortSignal.abort(new Error('early'));
    const loader = new DataLoader(dataset, { ...options, numWorkers: 2, signal });
    await expect(collect(loader)).rejects.toThrow('early');
    expect(started).toHaveLength(0);
  });

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1;
      removeEventListener.apply(signal, args);
    };
    await using loader = new DataLoader(dataset, { ...options, numWorkers: 1, signal });
    await collect(loader);
    expect(listeners).toBe(0);
  });
});

describe('a worker that dies', () => {
  it.each([
    ['throws', "throw new TypeError('bad sector')", 'threw TypeError: bad sector'],
    ['exits', 'process.exit(7)', 'ended with exit code 7'],
    ['exits as if all were well', 'process.exit(0)', 'ended with exit code 0'],
    ['rejects', "Promise.reject(new RangeError('late'))", 'threw RangeError: late'],
    ['throws no Error', "throw 'text'", 'threw text'],
  ])('because it %s rejects the pending step and ends the others', async (_, run, what) => {
    const started = watchWorkers({ worker: 2, afterMessages: 2, run });
    const loader = new DataLoader(dataset, { ...options, numWorkers: 3 });
    const error = await collect(loader).catch((e: unknown) => e);
    expect(started.every(hasEnded)).toBe(true);
    expect(error).toBeInstanceOf(WorkerError);
    expect(error).toMatchObject({ code: 'ERR_NN_WORKER' });
    expect((error as Error).message).toContain(`worker 2 of 3 ${what}`);
    if (run.includes('new ')) expect((error as Error).cause).toBeInstanceOf(Error);
  });

  it('because it is terminated, while no step is pending, is reported by the next one', async () => {
    const started = watchWorkers();
    const loader = new DataLoader(dataset, { ...options, numWorkers: 2 });
    const iterator = loader[Symbol.asyncIterator]();
    await iterator.next();
    await started[0]!.terminate();
    const rest = async () => {
      while (!(await iterator.next()).done);
    };
    await expect(rest()).rejects.toMatchObject({
      code: 'ERR_NN_WORKER',
      message: expect.stringContaining('worker 1 of 2 ended with exit code 1'),
    });
    expect(started.every(hasEnded)).toBe(true);
  });

  it('is replaced by the next iteration', async () => {
    watchWorkers({ worker: 1, afterMessages: 25, run: 'process.exit(1)' });
    await using loader = new DataLoader(dataset, { ...options, numWorkers: 1 });
    const expected = await collect(loader); // 19 batches: the fault comes in the next epoch
    await expect(collect(loader)).rejects.toMatchObject({ code: 'ERR_NN_WORKER' });
    loader.setEpoch(0);
    expect(await collect(loader)).toEqual(expected);
  });
});

describe('the process', () => {
  const url = new URL('../../dist/data/index.js', import.meta.url).href;
  const script = (body: string) => `
    import { DataLoader, TensorDataset } from ${JSON.stringify(url)};
    const dataset = new TensorDataset({
      images: new Uint8Array(6400), imageShape: [1, 8, 8], labels: new Array(100).fill(1),
    });
    const loader = new DataLoader(dataset, { batchSize: 10, numWorkers: 2 });
    ${body}`;
  const run = async (body: string, ...flags: string[]) => {
    const args = [...flags, '--input-type=module', '--eval', script(body)];
    const cwd = fileURLToPath(new URL('.', import.meta.url));
    return (await promisify(execFile)(process.execPath, args, { timeout: 30_000, cwd })).stdout;
  };

  it('ends by itself after a whole epoch, without close', async () => {
    const body = 'let n = 0; for await (const b of loader) n += b.size; console.log(n);';
    expect(await run(body)).toBe('100\n');
  });

  it('ends by itself after break, without close', async () => {
    expect(await run('for await (const b of loader) { console.log(b.index); break; }')).toBe('0\n');
  });

  it('ends by itself when an iterator is abandoned', async () => {
    const body = 'const i = loader[Symbol.asyncIterator](); await i.next(); console.log("end");';
    expect(await run(body)).toBe('end\n');
  });

  it('stays alive while a step is pending', async () => {
    const body = 'loader[Symbol.asyncIterator]().next().then((r) => console.log(r.value.index));';
    expect(await run(body)).toBe('0\n');
  });

  // A worker's reply that came while it was being stopped let go of the process: of 40 rounds, a few
  // met it each time, and the process ended silently, with status 13, in the middle of an await.
  it.each([
    ['break', 'for await (const b of each) { if (b.index === i % 5) break; }'],
    ['return', 'const it = each[Symbol.asyncIterator](); await it.next(); await it.return();'],
    ['a pending step', 'each[Symbol.asyncIterator]().next().catch(() => {});'],
  ])('is held by close after %s, until every thread has ended', async (_, leave) => {
    const body = `
      for (let i = 0; i < 40; i++) {
        const each = new DataLoader(dataset, { batchSize: 4, numWorkers: 2 });
        ${leave}
        await each.close();
      }
      console.log('all closed');`;
    expect(await run(body)).toBe('all closed\n');
  });

  it('is held by an abort until every thread has ended', async () => {
    const body = `
      for (let i = 0; i < 40; i++) {
        const control = new AbortController();
        const { signal } = control;
        const each = new DataLoader(dataset, { batchSize: 4, numWorkers: 2, signal });
        try {
          for await (const b of each) if (b.index === i % 5) control.abort(new Error('enough'));
        } catch (error) {
          if (error.message !== 'enough') throw error;
        }
      }
      console.log('all aborted');`;
    expect(await run(body)).toBe('all aborted\n');
  });

  it.each([
    ['after an epoch', 'for await (const b of each);'],
    ['after break', 'for await (const b of each) break;'],
    ['with an iterator that was abandoned', 'await each[Symbol.asyncIterator]().next();'],
    ['with a step that nobody awaits', 'each[Symbol.asyncIterator]().next();'],
  ])('loses the threads of a loader that was dropped without close, %s', async (_, use) => {
    const body = `
      import { createRequire, syncBuiltinESMExports } from 'node:module';
      import { setTimeout } from 'node:timers/promises';
      const threads = createRequire(${JSON.stringify(import.meta.url)})('node:worker_threads');
      let started = 0;
      let ended = 0;
      threads.Worker = class extends threads.Worker {
        constructor(...args) {
          super(...args);
          started += 1;
          this.once('exit', () => { ended += 1; });
        }
      };
      syncBuiltinESMExports();
      async function drop() {
        const each = new DataLoader(dataset, { batchSize: 4, numWorkers: 2 });
        ${use}
      }
      for (let i = 0; i < 5; i++) await drop();
      for (let i = 0; i < 500 && ended < started; i++) {
        await setTimeout(10);
        gc();
      }
      console.log(started, ended);`;
    expect(await run(body, '--expose-gc')).toBe('10 10\n');
  });

  it('keeps the threads of a loader that only its iterator refers to', async () => {
    const body = `
      import { setTimeout } from 'node:timers/promises';
      const begin = () => new DataLoader(dataset, { batchSize: 4, numWorkers: 2 })[Symbol.asyncIterator]();
      const iterator = begin();
      await iterator.next();
      for (let i = 0; i < 20; i++) { await setTimeout(5); gc(); }
      let count = 1;
      while (!(await iterator.next()).done) count += 1;
      console.log(count);`;
    expect(await run(body, '--expose-gc')).toBe('25\n');
  });
});
