/** Mistakes in convolutions: geometry, plans, what runs after them. */
export const convolution = [
  {
    id: 'extra-taps-trained',
    what: 'the taps that space-to-depth adds to the filters get a gradient',
    file: 'native/cuda/convolution/make_convolution.cc',
    edits: [
      [
        'if (padded) zeroPadding(stream, {out[0], recipe.problem.filter}, filterMap);',
        'static_cast<void>(padded);',
      ],
    ],
    tests: 'ConvolutionTest.WeightGrad*:BackendTraining.*',
  },
  {
    id: 'bias-left-out',
    what: 'the bias that a plan leaves out is not added afterwards',
    file: 'native/cuda/convolution/make_convolution.cc',
    edits: [['if (recipe.biasAfter) {', 'if (recipe.biasAfter && recipe.reluAfter) {']],
    tests: 'ConvolutionTest.*',
  },
  {
    id: 'relu-left-out',
    what: 'the ReLU that a plan leaves out is not applied afterwards',
    file: 'native/cuda/convolution/make_convolution.cc',
    edits: [['rows, k, k, recipe.reluAfter);', 'rows, k, k, false);']],
    tests: 'ConvolutionTest.*',
  },
  {
    id: 'convolution-mask-ignored',
    what: "ReLU's gradient is left out of a convolution's input gradient",
    file: 'native/cuda/convolution/make_convolution.cc',
    edits: [['if (masked) reluGrad(stream, gx, {in[2], maskStorage}, gx, count);', '']],
    tests: 'ConvolutionTest.InputGrad*',
  },
  {
    id: 'workspace-too-small',
    what: 'a convolution asks for less workspace than its plan needs',
    file: 'native/cuda/convolution/make_convolution.cc',
    edits: [
      [
        'size_t workspace = recipe_.workspaceBytes;',
        'size_t workspace = recipe_.workspaceBytes / 2;',
      ],
    ],
    tests: 'ConvolutionTest.*:BackendTraining.*',
  },
  {
    id: 'space-to-depth-extent',
    what: 'the first layer reads one column of blocks too few',
    file: 'native/cuda/convolution/geometry.cc',
    edits: [['ws = p.ow + ss - 1;', 'ws = p.ow + ss - 2;']],
    tests: 'ConvolutionTest.*',
  },
  {
    id: 'stride-kept',
    what: 'the convolution over blocks strides as the one over pixels did',
    file: 'native/cuda/convolution/geometry.cc',
    edits: [['  p.strideH = p.strideW = 1;\n}', '}']],
    tests: 'ConvolutionTest.*',
  },
  {
    id: 'chunks-not-summed',
    what: 'the weight gradient keeps the last chunk of images instead of the sum',
    file: 'native/cuda/convolution/matrix_product.cc',
    edits: [
      [
        '{columns, columnWidth_}, filter, columnWidth_, firstImage > 0);',
        '{columns, columnWidth_}, filter, columnWidth_, false);',
      ],
    ],
    tests: 'ConvolutionTest.MatrixProduct*',
  },
  {
    id: 'group-stride',
    what: 'every group of a convolution reads the channels of the first',
    file: 'native/cuda/convolution/im2col.cu',
    edits: [['          group * channels,\n', '          0 * group,\n']],
    tests: 'CudaIm2Col.*',
  },
];
