/** What training prints: lines, and a progress bar on a terminal. */
import { TextReporter } from 'neuronode';
import { describe, expect, test, vi } from 'vitest';
import { learnableLoader, makeTrainer, seededTiny } from './trainer-support.js';

/** A stream that remembers what was written. */
function recorder(isTTY: boolean, columns = 100) {
  const chunks: string[] = [];
  return { chunks, isTTY, columns, write: (text: string) => chunks.push(text) };
}

describe('output', () => {
  test('is the lines of the PyTorch text, and nothing else', async () => {
    const stream = recorder(false);
    await makeTrainer(seededTiny()).fit(learnableLoader(32, {}, 10), {
      test: learnableLoader(32, {}, 10),
      epochs: 2,
      log: new TextReporter(stream),
    });
    const lines = stream.chunks.join('').split('\n');
    expect(lines).toHaveLength(7);
    expect(lines.pop()).toBe('');
    const step = (n: number) => new RegExp(`^step ${n}, train_acc: [01]\\.\\d{4}$`);
    const epoch = (n: number) =>
      new RegExp(
        `^epoch ${n}, loss 0\\.\\d{4}, train acc [01]\\.\\d{3}, test acc [01]\\.\\d{3}, ` +
          'time \\d+\\.\\d sec$',
      );
    for (const [index, pattern] of [
      step(1),
      step(2),
      epoch(1),
      step(3),
      step(4),
      epoch(2),
    ].entries()) {
      expect(lines[index]).toMatch(pattern);
    }
  });

  test('goes to standard output by default, and nowhere with log: false', async () => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    try {
      const loader = learnableLoader(16, {}, 10);
      await makeTrainer(seededTiny()).fit(loader, { epochs: 1, log: false });
      expect(write).not.toHaveBeenCalled();
      await makeTrainer(seededTiny()).fit(loader, { epochs: 1 });
      const text = write.mock.calls.map(([chunk]) => String(chunk)).join('');
      expect(text).toMatch(/step 1, train_acc: .*\n.*epoch 1, loss /s);
    } finally {
      write.mockRestore();
    }
  });

  const event = {
    step: 120,
    epoch: 1,
    stepInEpoch: 120,
    loss: 1,
    correct: 12,
    size: 128,
    trainAccuracy: 12 / 128,
    lr: 0.001,
    ms: 500,
  };

  test('has a bar with images per second and the time left on a terminal', () => {
    const stream = recorder(true);
    const reporter = new TextReporter(stream);
    reporter.start({ epochs: 5, stepsPerEpoch: 240, examplesPerEpoch: 30720 });
    reporter.step(event);
    expect(stream.chunks.join('')).toBe(
      'step 120, train_acc: 0.0938\n' +
        'epoch 1/5 [############------------] 120/240, 256 images/s, 1:00 left',
    );
    reporter.step({ ...event, step: 121, stepInEpoch: 121 });
    expect(stream.chunks[1]?.startsWith('\r\x1b[2Kstep 121, train_acc: 0.0938\nepoch 1/5 ')).toBe(
      true,
    );
    reporter.end();
    expect(stream.chunks[2]).toBe('\r\x1b[2K');
  });

  test('cuts the bar to the terminal, and has none in a file', () => {
    const narrow = recorder(true, 20);
    const file = recorder(false);
    for (const stream of [narrow, file]) {
      const reporter = new TextReporter(stream);
      reporter.start({ epochs: 5, stepsPerEpoch: 240, examplesPerEpoch: 30720 });
      reporter.step(event);
    }
    expect(narrow.chunks.join('').split('\n')[1]).toHaveLength(19);
    expect(file.chunks.join('')).toBe('step 120, train_acc: 0.0938\n');
  });
});
