/** Mistakes in our own kernels. */
export const kernels = [
  {
    id: 'dropout-index',
    what: "dropout's mask goes by the place in memory instead of PyTorch's order",
    file: 'native/cuda/kernels/dropout.cu',
    edits: [
      [
        'dropoutWords(static_cast<uint64_t>(plain) / 4, key,',
        'dropoutWords(static_cast<uint64_t>(i) / 4, key,',
      ],
    ],
    tests: '*',
  },
  {
    id: 'dropout-tail',
    what: 'the elements after the last pack of dropout read the first word of their counter',
    file: 'native/cuda/kernels/dropout.cu',
    edits: [['const int lane = static_cast<int>(at % 4);', 'const int lane = 0;']],
    tests: '*',
  },
  {
    id: 'padding-not-zeroed',
    what: 'the taps that a space-to-depth filter has too many get a gradient',
    file: 'native/cuda/kernels/reorder.cu',
    edits: [['if (!padded) return;', 'if (padded) return;']],
    tests: '*',
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
    tests: '*',
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
    tests: '*',
  },
  {
    id: 'to-float-channel',
    what: 'every channel is normalised by the mean of the first',
    file: 'native/cuda/kernels/to_float.cu',
    edits: [
      [
        `    const auto c = static_cast<int>(plain < 0 ? 0 : plain / pixels % scalars.channels);
    const float mean = scalars.mean[c], std = scalars.std[c];`,
        `    const int c = 0;
    const float mean = scalars.mean[c], std = scalars.std[c];`,
      ],
    ],
    tests: '*',
  },
];
