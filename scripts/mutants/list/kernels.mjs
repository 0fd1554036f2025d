/** Mistakes in our own kernels. */
export const kernels = [
  {
    id: 'dropout-index',
    what: "dropout's mask goes by the place in memory instead of PyTorch's order",
    file: 'native/cuda/dropout/dropout.cu',
    edits: [
      [
        'dropoutWords(static_cast<uint64_t>(plain) / 4, key,',
        'dropoutWords(static_cast<uint64_t>(i) / 4, key,',
      ],
    ],
    tests: 'CudaDropout.*',
  },
  {
    id: 'dropout-tail',
    what: 'the elements after the last pack of dropout read the first word of their counter',
    file: 'native/cuda/dropout/dropout.cu',
    edits: [['const int lane = static_cast<int>(at % 4);', 'const int lane = 0;']],
    tests: 'CudaDropout.*',
  },
  {
    id: 'padding-not-zeroed',
    what: 'the taps that a space-to-depth filter has too many get a gradient',
    file: 'native/cuda/kernels/reorder.cu',
    edits: [['if (!padded) return;', 'if (padded) return;']],
    tests: 'CudaReorder.ZeroPadding*',
  },
  {
    id: 'transpose-barrier',
    what: 'tiles are turned without a barrier between writing and reading them',
    file: 'native/cuda/kernels/reorder.cu',
    edits: [
      [
        'kPhases = 2;\n  static constexpr int kTile = 32,',
        'kPhases = 1;\n  static constexpr int kTile = 32,',
      ],
      [
        '    } else {\n      const int64_t row = firstRow + along;',
        '    }\n    {\n      const int64_t row = firstRow + along;',
      ],
    ],
    tests: 'CudaReorder.*',
  },
  {
    id: 'bias-gradient-tail',
    what: 'the last chunk of the bias gradient reads rows beyond the last',
    file: 'native/cuda/kernels/bias.cu',
    edits: [
      [
        'const int64_t end = (chunk + 1) * chunkRows < rows ? (chunk + 1) * chunkRows : rows;',
        'const int64_t end = (chunk + 1) * chunkRows;',
      ],
    ],
    tests: 'CudaBias.BiasGrad*',
  },
  {
    id: 'to-float-channel',
    what: 'every channel is normalised by the mean of the first',
    file: 'native/cuda/conversion/to_float.cu',
    edits: [
      [
        `    const auto c = static_cast<int>(plain < 0 ? 0 : plain / pixels % scalars.channels);
    const float mean = scalars.mean[c], std = scalars.std[c];`,
        `    const int c = 0;
    const float mean = scalars.mean[c], std = scalars.std[c];`,
      ],
    ],
    tests: 'CudaToFloat.BytesToFloat*',
  },
  {
    id: 'adam-step-off-by-one',
    what: 'Adam corrects its moments by the next step',
    file: 'native/cuda/optimizer/optimizer.cu',
    edits: [
      ['options.scalars(*table.step, *table.lr)', 'options.scalars(*table.step + 1, *table.lr)'],
    ],
    tests: 'CudaOptimizer.Adam',
  },
  {
    id: 'adam-correction',
    what: 'the second moment of Adam is not corrected',
    file: 'native/cuda/optimizer/optimizer.cu',
    edits: [
      [
        'shared.isFirst = *table.step == 1;',
        'shared.isFirst = *table.step == 1;\n      if constexpr (requires { shared.scalars.correction2Sqrt; }) {\n        shared.scalars.correction2Sqrt = 1.0f;\n      }',
      ],
    ],
    tests: 'CudaOptimizer.Adam',
  },
  {
    id: 'adam-barrier',
    what: 'a block of Adam reads its scalars without a barrier after they are written',
    file: 'native/cuda/optimizer/optimizer.cu',
    edits: [
      ['kThreads = kUpdateThreads, kPhases = 2;', 'kThreads = kUpdateThreads, kPhases = 1;'],
      [
        'if (block.thread != 0) return;\n      shared.scalars = options.scalars(*table.step, *table.lr);\n      shared.isFirst = *table.step == 1;\n    } else {',
        'if (block.thread == 0) {\n        shared.scalars = options.scalars(*table.step, *table.lr);\n        shared.isFirst = *table.step == 1;\n      }\n    }\n    {',
      ],
    ],
    tests: 'CudaOptimizer.Adam',
  },
  {
    id: 'update-tail',
    what: 'the last element of a tensor is not updated',
    file: 'native/cuda/optimizer/optimizer.cu',
    edits: [['i < count; i += kUpdateThreads', 'i < count - 1; i += kUpdateThreads']],
    tests: 'CudaOptimizer.*',
  },
  {
    id: 'shadow-not-written',
    what: 'the bf16 copy of a weight stays as it was when the weight is updated',
    file: 'native/cuda/optimizer/optimizer.cu',
    edits: [['    if (t.shadow != nullptr) store<N>(inGlobal(t.shadow) + at, param);\n', '']],
    tests: 'CudaOptimizer.Adam',
  },
  {
    id: 'shadow-truncated',
    what: 'the bf16 copy of a weight is cut off instead of rounded',
    file: 'native/cuda/optimizer/optimizer.cu',
    edits: [
      [
        'if (t.shadow != nullptr) store<N>(inGlobal(t.shadow) + at, param);',
        'for (int j = 0; j < N && t.shadow != nullptr; ++j) {\n      uint32_t bits;\n      __builtin_memcpy(&bits, &param[j], sizeof bits);\n      t.shadow[at + j] = static_cast<uint16_t>(bits >> 16);\n    }',
      ],
    ],
    tests: 'CudaOptimizer.Adam',
  },
  {
    id: 'moments-swapped',
    what: "Adam's second moment is its first",
    file: 'native/cuda/optimizer/make_optimizer.cc',
    edits: [['in[at(places_.state(i, s))]', 'in[at(places_.state(i, 0))]']],
    tests: 'BackendOps.AgreeWithTheCpuInF32:BackendTraining.FollowsTheCpu',
  },
  {
    id: 'pool-mask-ignored',
    what: "ReLU's gradient is left out of max-pooling's",
    file: 'native/cuda/pooling/max_pool.cu',
    edits: [['places[j] == cell && !(mask != nullptr && pooled[j] <= 0.0f)', 'places[j] == cell']],
    tests: 'CudaPooling.Maxima*',
  },
  {
    id: 'pool-last-of-ties',
    what: 'max-pooling takes the last of equal values',
    file: 'native/cuda/pooling/max_pool.cu',
    edits: [['values[j] > best[j] || ', 'values[j] >= best[j] || ']],
    tests: 'CudaPooling.Maxima*',
  },
  {
    id: 'pool-drops-nan',
    what: 'max-pooling passes over NaN',
    file: 'native/cuda/pooling/max_pool.cu',
    edits: [['values[j] > best[j] || values[j] != values[j];', 'values[j] > best[j];']],
    tests: 'CudaPooling.Maxima*',
  },
  {
    id: 'padding-rows-count',
    what: 'the rows that fill up a batch count in the loss',
    file: 'native/cuda/loss/loss.cu',
    edits: [['return row < validRows(args) &&', 'return validRows(args) >= 0 &&']],
    tests: 'CudaLoss.*',
  },
  {
    id: 'mean-over-all-rows',
    what: 'the gradient of the mean loss is divided by the rows of the batch, real or not',
    file: 'native/cuda/loss/loss.cu',
    edits: [
      [
        'math::meanScale(args.rowLoss[args.rows])',
        'math::meanScale(static_cast<double>(args.rows))',
      ],
    ],
    tests: 'CudaLoss.*',
  },
  {
    id: 'batch-norm-padding-rows',
    what: 'the rows that fill up a batch count in the statistics of batch normalisation',
    file: 'native/cuda/normalisation/batch_norm.cu',
    edits: [['end = cut < real ? cut : real;', 'end = real < 0 ? real : cut;']],
    tests: 'CudaBatchNorm.*',
  },
  {
    id: 'batch-norm-padding-written',
    what: 'batch normalisation writes something into the rows that fill up a batch',
    file: 'native/cuda/normalisation/batch_norm.cu',
    edits: [
      [
        'storeAt(y, i, isReal ? tail.rectifier.value(value) : 0.0f);',
        'storeAt(y, i, tail.rectifier.value(value));',
      ],
    ],
    tests: 'CudaBatchNorm.*',
  },
  {
    id: 'batch-norm-relu-before-addition',
    what: 'batch normalisation adds the shortcut after the ReLU',
    file: 'native/cuda/normalisation/batch_norm.cu',
    edits: [
      [
        'if constexpr (kHasResidual) value += loadAt({tail.residual, x.storage}, i);',
        'value = tail.rectifier.value(value);',
      ],
      [
        'storeAt(y, i, isReal ? tail.rectifier.value(value) : 0.0f);',
        'if constexpr (kHasResidual) value += loadAt({tail.residual, x.storage}, i);\n' +
          '    storeAt(y, i, isReal ? value : 0.0f);',
      ],
    ],
    tests: 'CudaBatchNorm.AddsAndRectifies*',
  },
  {
    id: 'batch-norm-mask-of-sums-only',
    what: "the ReLU's mask is left out where batch normalisation writes its gradient",
    file: 'native/cuda/normalisation/batch_norm.cu',
    edits: [
      ['const float gy = gradientAt<kIsMasked>(of, i);', 'const float gy = loadAt(of.gy, i);'],
    ],
    tests: 'CudaBatchNorm.MasksWhatComes*',
  },
  {
    id: 'batch-norm-lane-left-out',
    what: 'a sum of batch normalisation leaves out the last of the lanes that share a slice',
    file: 'native/cuda/normalisation/batch_norm.cu',
    edits: [
      ['for (int i = 0; i < kLanes; ++i) sum +=', 'for (int i = 0; i < kLanes - 1; ++i) sum +='],
    ],
    tests: 'CudaBatchNorm.IsTheCpus',
  },
  {
    id: 'batch-norm-given-as-batch',
    what: 'the gradient takes statistics that were given for ones of the batch',
    file: 'native/cuda/normalisation/batch_norm.cu',
    edits: [
      [
        '    if (ofBatch) {\n      const auto count',
        '    if (ofBatch || true) {\n      const auto count',
      ],
    ],
    tests: 'CudaBatchNorm.IsTheCpus',
  },
  {
    id: 'masked-sum-of-one',
    what: "an addition that takes ReLU's gradient masks its first term alone",
    file: 'native/cuda/pointwise/pointwise.cu',
    edits: [['rectifier.gradient(a + b, from)', 'rectifier.gradient(a, from) + b']],
    tests: 'CudaPointwise.AddWithRelu*:BackendOps.FusesInto*',
  },
];
