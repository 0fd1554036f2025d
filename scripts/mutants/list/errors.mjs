/** Mistakes in checks of statuses, in what is freed, and in what a lost device means. */
export const errors = [
  {
    id: 'status-unchecked',
    what: 'a failed CUDA call passes as a success',
    file: 'native/cuda/status.cc',
    edits: [
      [
        'if (!losesDevice(status)) throw Error(errc::kNative, message);',
        'if (!losesDevice(status)) return;',
      ],
    ],
    tests: 'ExecutorTest.FailsWithEach*',
  },
  {
    id: 'blas-status-unchecked',
    what: 'a failed cuBLAS call passes as a success',
    file: 'native/cuda/status.cc',
    edits: [
      [
        'if (status == CUBLAS_STATUS_SUCCESS) return;',
        'if (status != CUBLAS_STATUS_ALLOC_FAILED) return;',
      ],
    ],
    tests: 'CallFaultsTest.EveryFunction*',
  },
  {
    id: 'sticky-not-marked',
    what: 'an error that loses the device does not mark it as lost',
    file: 'native/cuda/status.cc',
    edits: [
      [
        `  markCurrentLost(message);
  throw Error(errc::kDeviceFailed, message);`,
        '  throw Error(errc::kDeviceFailed, message);',
      ],
    ],
    tests: 'ExecutorTest.RefusesAndReleases*',
  },
  {
    id: 'memory-leak',
    what: 'device memory is never freed',
    file: 'native/cuda/handles.cc',
    edits: [['  NN_REPORT_CUDA(cudaFree(memory));', '  static_cast<void>(memory);']],
    tests: 'BackendTraining.ParametersRead*',
  },
  {
    id: 'event-leak',
    what: 'events are never destroyed',
    file: 'native/cuda/handles.cc',
    edits: [['NN_REPORT_CUDA(cudaEventDestroy(event));', 'static_cast<void>(event);']],
    tests: 'BackendTraining.ParametersRead*',
  },
  {
    id: 'graph-leak',
    what: 'recorded graphs are never destroyed',
    file: 'native/cuda/handles.cc',
    edits: [['NN_REPORT_CUDA(cudaGraphExecDestroy(exec));', 'static_cast<void>(exec);']],
    tests: 'ExecutorTest.CallsTheSteps*',
  },
  {
    id: 'free-without-waiting',
    what: 'device memory is freed while kernels that were queued still use it',
    file: 'native/cuda/handles.cc',
    edits: [
      [
        `  NN_REPORT_CUDA(cudaDeviceSynchronize());
  NN_REPORT_CUDA(cudaFree(memory));`,
        '  NN_REPORT_CUDA(cudaFree(memory));',
      ],
    ],
    tests: 'ExecutorTest.MemoryIsFreed*',
  },
  {
    id: 'pageable-staging',
    what: 'staging buffers are pageable',
    file: 'native/cuda/handles.cc',
    edits: [
      [
        'cudaHostAlloc(&memory, bytes, cudaHostAllocDefault)',
        '((memory = std::malloc(bytes)) ? cudaSuccess : cudaErrorMemoryAllocation)',
      ],
    ],
    tests: 'BackendTraining.ParametersRead*',
  },
  {
    id: 'blas-without-workspace',
    what: 'cuBLAS has no workspace of its own, so that recorded graphs would allocate',
    file: 'native/cuda/context.cc',
    edits: [
      [
        '  NN_CHECK_CUBLAS(cublasSetWorkspace(raw, workspace, kBlasWorkspaceBytes));',
        '  static_cast<void>(workspace);',
      ],
    ],
    tests: 'BackendTraining.FollowsTheCpu',
  },
  {
    id: 'workspace-before-stream',
    what: 'the workspace of cuBLAS is set before its stream, which resets it',
    file: 'native/cuda/context.cc',
    edits: [
      [
        '  NN_CHECK_CUBLAS(cublasSetStream(raw, stream));',
        `  NN_CHECK_CUBLAS(cublasSetWorkspace(raw, workspace, kBlasWorkspaceBytes));
  NN_CHECK_CUBLAS(cublasSetStream(raw, stream));
  return handle;`,
      ],
    ],
    tests: 'BackendTraining.FollowsTheCpu',
  },
];
