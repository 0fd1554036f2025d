/** Mistakes in linear layers and matrix products. */
export const linear = [
  {
    id: 'fc1-unpermuted',
    what: 'the first linear layer takes its weight in plain order beside channels-last features',
    file: 'native/cuda/linear/make_linear.cc',
    edits: [
      [
        `  const LayoutInfo wInfo = featuresLike(xInfo, operands);
  LayoutInfo yInfo`,
        `  const LayoutInfo wInfo = featuresLike(LayoutInfo{}, operands);
  LayoutInfo yInfo`,
      ],
    ],
    tests: 'BackendTraining.FollowsTheCpu',
  },
  {
    id: 'weight-gradient-unpermuted',
    what: "the first linear layer's weight gradient comes out in another order than the weight",
    file: 'native/cuda/linear/make_linear.cc',
    edits: [
      [
        'const LayoutInfo gwInfo = featuresLike(xInfo, Storage::F32);',
        'const LayoutInfo gwInfo = featuresLike(LayoutInfo{}, Storage::F32);',
      ],
    ],
    tests: 'BackendTraining.FollowsTheCpu',
  },
  {
    id: 'output-pitch',
    what: 'a product writes rows without the pitch that their layout has',
    file: 'native/cuda/linear/make_linear.cc',
    edits: [
      [
        `                              .pitchY = pitchOf(yInfo, y.shape[1]),
                              .operands = operands,
                              .y = yInfo.storage,
                              .precision = request.options.precision,
                              .bias = bias,`,
        `                              .pitchY = y.shape[1],
                              .operands = operands,
                              .y = yInfo.storage,
                              .precision = request.options.precision,
                              .bias = bias,`,
      ],
    ],
    tests: 'BackendTraining.FollowsTheCpu:BackendOps.AgreeWithTheCpuInF32',
  },
  {
    id: 'tf32-by-default',
    what: 'products in f32 round their operands to tf32',
    file: 'native/cuda/linear/matmul.cc',
    edits: [
      [
        'return tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;',
        'static_cast<void>(tf32); return CUBLAS_COMPUTE_32F_FAST_TF32;',
      ],
    ],
    tests: 'BackendOps.AgreeWithTheCpuInF32',
  },
  {
    id: 'linear-mask-ignored',
    what: "ReLU's gradient is left out of a linear layer's input gradient",
    file: 'native/cuda/linear/make_linear.cc',
    edits: [
      [
        'if (mask) reluGrad(stream, gx, {in[2], storage}, gx, count);',
        'static_cast<void>(mask), static_cast<void>(gx), static_cast<void>(count);',
      ],
    ],
    tests: 'BackendTraining.FollowsTheCpu',
  },
  {
    id: 'wrong-leading-dimension',
    what: 'the leading dimension of a transposed operand is that of the other',
    file: 'native/cuda/linear/matmul.cc',
    edits: [
      [
        'static_cast<int>(p.pitchB), at.a, dataType(p.operands), static_cast<int>(p.pitchA), &beta,',
        'static_cast<int>(p.pitchB), at.a, dataType(p.operands), static_cast<int>(p.pitchB), &beta,',
      ],
    ],
    tests: 'BackendTraining.FollowsTheCpu',
  },
];
