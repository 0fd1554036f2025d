#!/usr/bin/env bash
# Checks neuronode on this machine's GPU: bash run.sh [--minutes 6] [--out gpu-results]
# Needs bash, tar and gzip, and NVIDIA's driver; NVIDIA's libraries and PyTorch are found in the wheels
# of a python3. Everything else is in this folder, and nothing is left behind but the results.
set -euo pipefail
pack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=
trap 'rm -rf "$folder"' EXIT

# Programs may not be run from every folder that can be written to.
for place in "${TMPDIR:-/tmp}" /tmp /var/tmp /dev/shm "$PWD" "$pack"; do
  folder=$(mktemp -d "$place/neuronode-gpu-XXXXXX" 2> /dev/null) || continue
  if printf '#!/bin/sh\n' > "$folder/try" && chmod +x "$folder/try" && "$folder/try" \
    && tar --no-same-owner -xzf "$pack/app.tar.gz" -C "$folder" \
    && gzip -dc "$pack/node.gz" > "$folder/node" && chmod +x "$folder/node"; then
    break
  fi
  rm -rf "$folder"
  folder=
done
[[ -n $folder ]] || { echo 'There is no folder to unpack to; TMPDIR may name one.' >&2; exit 1; }

own=${LD_LIBRARY_PATH:-}
starts() {
  LD_LIBRARY_PATH="$1${own:+:$own}" "$folder/node" -e 'require(process.argv[1])' \
    "$folder/build/Release/neuronode.node" 2> "$folder/why"
}
# The CUDA backend's needs are those of its tests.
startsAll() {
  starts "$1" && LD_LIBRARY_PATH="$1${own:+:$own}" \
    "$folder/build/native/neuronode_cuda_device_tests" --gtest_list_tests > "$folder/why" 2>&1
}
# This system's own C++ library comes first, which its drivers may need; then ours.
libraries=
for check in startsAll starts; do
  for each in "$folder/lib" "$folder/lib:$folder/lib/c++"; do
    if [[ -z $libraries ]] && "$check" "$each"; then libraries=$each; fi
  done
done
[[ -n $libraries ]] || { cat "$folder/why" >&2; echo 'Node does not start here.' >&2; exit 1; }
export NEURONODE_PACK_LIBRARIES=$libraries NEURONODE_PACK_SECONDS=$SECONDS

LD_LIBRARY_PATH=$libraries${own:+:$own} "$folder/node" "$folder/scripts/gpu-check/main.mjs" "$@" &
node=$!
# It writes down what it has found, and then ends.
trap 'kill -TERM "$node" 2> /dev/null' HUP INT TERM
status=0
wait "$node" || status=$?
while kill -0 "$node" 2> /dev/null; do wait "$node" || status=$?; done
exit "$status"
