/** Mistakes in how runs, transfers and recordings follow each other, and in the backend around them. */
export const executor = [
  {
    id: 'upload-not-awaited',
    what: 'the steps do not wait for the upload of their inputs',
    file: 'native/cuda/executor.cc',
    edits: [
      [
        'NN_CHECK_CUDA(cudaStreamWaitEvent(context_.compute(), slot.uploaded.get(), 0));',
        'static_cast<void>(0);',
      ],
    ],
    tests: 'ExecutorTest.CallsTheSteps*',
  },
  {
    id: 'upload-onto-inputs-in-use',
    what: 'an upload goes straight to the inputs, which the run before may still read',
    file: 'native/cuda/executor.cc',
    edits: [
      [
        `offsetBy(slot.deviceInputs.get(), inputs_.offsets[i]),
                                    to.bytes, cudaMemcpyDeviceToDevice, context_.compute()));`,
        `offsetBy(slot.hostInputs.get(), inputs_.offsets[i]),
                                    to.bytes, cudaMemcpyHostToDevice, context_.copy()));
      NN_CHECK_CUDA(cudaEventRecord(slot.uploaded.get(), context_.copy()));
      NN_CHECK_CUDA(cudaStreamWaitEvent(context_.compute(), slot.uploaded.get(), 0));`,
      ],
    ],
    tests: 'ExecutorTest.UploadsOverwrite*',
  },
  {
    id: 'slot-in-use',
    what: "a slot is filled anew while its last run is under way, and that run's results are lost",
    file: 'native/cuda/executor.cc',
    edits: [
      [
        `    if (slot.run) slot.run->collect();
    if (slot.used) NN_CHECK_CUDA(cudaEventSynchronize(slot.done.get()));`,
        '',
      ],
    ],
    tests: 'ExecutorTest.KeepsTheResults*',
  },
  {
    id: 'abandoned-run-not-awaited',
    what: 'a slot whose run nobody finished is filled anew before that run is done',
    file: 'native/cuda/executor.cc',
    edits: [['    if (slot.used) NN_CHECK_CUDA(cudaEventSynchronize(slot.done.get()));', '']],
    tests: 'ExecutorTest.ARunThatNobody*',
  },
  {
    id: 'one-slot',
    what: 'there is one result buffer instead of two, so that a run waits for the one before',
    file: 'native/cuda/executor.cc',
    edits: [['next_ = (next_ + 1) % slots_.size();', 'next_ = 0;']],
    tests: 'ExecutorTest.StartsTwoRuns*',
  },
  {
    id: 'done-before-download',
    what: 'a run counts as done before its results have been copied',
    file: 'native/cuda/executor.cc',
    edits: [
      [
        `    NN_CHECK_CUDA(cudaEventRecord(slot.done.get(), context_.compute()));
  }`,
        '  }',
      ],
      [
        '  void download(Slot& slot) {',
        `  void download(Slot& slot) {
    NN_CHECK_CUDA(cudaEventRecord(slot.done.get(), context_.compute()));`,
      ],
    ],
    tests: 'ExecutorTest.CallsTheSteps*',
  },
  {
    id: 'result-not-awaited',
    what: 'results are taken without waiting for them',
    file: 'native/cuda/executor.cc',
    edits: [
      [
        `    context_.health().throwIfLost();
    NN_CHECK_CUDA(cudaEventSynchronize(slot_->done.get()));`,
        '    context_.health().throwIfLost();',
      ],
    ],
    tests: 'ExecutorTest.CallsTheSteps*',
  },
  {
    id: 'copy-direction',
    what: 'results are copied in the direction of an upload',
    file: 'native/cuda/executor.cc',
    edits: [['cudaMemcpyDeviceToHost', 'cudaMemcpyHostToDevice']],
    tests: 'ExecutorTest.CallsTheSteps*',
  },
  {
    id: 'capture-on-copy-stream',
    what: 'the stream of uploads is recorded instead of that of the steps',
    file: 'native/cuda/executor.cc',
    edits: [
      [
        'cudaStreamBeginCapture(context_.compute(), cudaStreamCaptureModeThreadLocal)',
        'cudaStreamBeginCapture(context_.copy(), cudaStreamCaptureModeThreadLocal)',
      ],
    ],
    tests: 'ExecutorTest.CallsTheSteps*',
  },
  {
    id: 'capture-of-all-threads',
    what: "a recording forbids other devices' threads to allocate",
    file: 'native/cuda/executor.cc',
    edits: [['cudaStreamCaptureModeThreadLocal', 'cudaStreamCaptureModeGlobal']],
    tests: 'ExecutorTest.OtherThreads*',
  },
  {
    id: 'recorded-but-not-launched',
    what: 'the run that records the steps does not run them',
    file: 'native/cuda/executor.cc',
    edits: [['if (!recording_) record(enqueue);', 'if (!recording_) return record(enqueue);']],
    tests: 'ExecutorTest.CallsTheSteps*',
  },
  {
    id: 'never-recorded',
    what: 'every run calls the steps one by one',
    file: 'native/cuda/executor.cc',
    edits: [['      wentEagerly_ = true;\n', '']],
    tests: 'ExecutorTest.CallsTheSteps*',
  },
  {
    id: 'recording-left-open',
    what: 'a recording that an error cut short is not ended',
    file: 'native/cuda/executor.cc',
    edits: [['      abandonRecording();\n', '']],
    tests: 'ExecutorTest.AnErrorInTheSteps*',
  },
  {
    id: 'download-not-awaited',
    what: 'a parameter is read before its copy has come',
    file: 'native/cuda/cuda_backend.cc',
    edits: [
      [
        `                                  part, cudaMemcpyDeviceToHost, context_.compute()));
    NN_CHECK_CUDA(cudaStreamSynchronize(context_.compute()));`,
        '                                  part, cudaMemcpyDeviceToHost, context_.compute()));',
      ],
    ],
    tests: 'BackendTraining.ParametersRead*',
  },
  {
    id: 'pageable-copy',
    what: 'an asynchronous copy reads ordinary memory',
    file: 'native/cuda/cuda_backend.cc',
    edits: [
      [
        'cudaMemcpyAsync(static_cast<std::byte*>(device) + done, staging_.get(), part,',
        'cudaMemcpyAsync(static_cast<std::byte*>(device) + done, static_cast<const std::byte*>(host) + done, part,',
      ],
    ],
    tests: 'BackendTraining.ParametersRead*',
  },
  {
    id: 'memory-not-zeroed',
    what: 'fresh memory holds what was there before',
    file: 'native/cuda/cuda_backend.cc',
    edits: [['NN_CHECK_CUDA(cudaMemsetAsync(buffer->data(), 0, bytes, context_.compute()));', '']],
    tests: 'ExecutorTest.CallsTheSteps*',
  },
  {
    id: 'flatten-unpermuted',
    what: 'a flattened channels-last activation passes for plain: the first linear layer reads it so',
    file: 'native/cuda/cuda_backend.cc',
    edits: [['if (channels == 1 || channels == to[1]) return', 'if (channels > 0) return']],
    tests: 'BackendTraining.FollowsTheCpu',
  },
  {
    id: 'weights-kept-in-bf16',
    what: 'parameters and optimizer state are kept in bf16',
    file: 'native/cuda/cuda_backend.cc',
    edits: [
      [
        '  if (wanted == Layout::Undecided) return wanted;\n',
        '  if (wanted != Layout::Undecided) return wanted;\n',
      ],
    ],
    tests: 'BackendTraining.ParametersRead*',
  },
  {
    id: 'wrong-device',
    what: "every device's thread works on the first GPU",
    file: 'native/cuda/cuda_device.cc',
    edits: [['NN_CHECK_CUDA(cudaSetDevice(facts_.ordinal));', 'NN_CHECK_CUDA(cudaSetDevice(0));']],
    tests: 'DeviceTest.ALost*',
  },
  {
    id: 'lost-device-offered',
    what: 'a lost device is still offered',
    file: 'native/cuda/provider.cc',
    edits: [['if (!device->health().isLost()) working.push_back', 'working.push_back']],
    tests: 'DeviceProviderTest.OffersALost*',
  },
  {
    id: 'lost-device-used',
    what: 'a job begins on a device that is lost',
    file: 'native/cuda/cuda_device.cc',
    edits: [['  health_.throwIfLost();\n', '']],
    tests: 'DeviceTest.ALost*',
  },
];
