# For tools that insist on node-gyp. CMakeLists.txt is the one description of the native build: this
# only runs it, with the same command as `npm run build:native`.
{
  'targets': [
    {
      'target_name': 'neuronode',
      'type': 'none',
      'actions': [
        {
          'action_name': 'cmake',
          'message': 'Building with CMake',
          'inputs': ['CMakeLists.txt'],
          # Never made, so that every build asks CMake, which knows what changed.
          'outputs': ['<(module_root_dir)/build/always'],
          'action': ['node', '<(module_root_dir)/scripts/bootstrap.mjs', 'native'],
        },
      ],
    },
  ],
}
