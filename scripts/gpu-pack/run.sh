#!/usr/bin/env bash
# Checks neuronode on this machine's GPU: bash run.sh [--minutes 6] [--out gpu-results]
# Needs bash, tar and gzip, and NVIDIA's driver; NVIDIA's libraries and PyTorch are found in the wheels
# of a python3. Everything else is in this folder, and nothing is left behind but the results.
set -euo pipefail
pack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(mktemp -d "${TMPDIR:-/tmp}/neuronode-gpu-XXXXXX")
trap 'rm -rf "$folder"' EXIT

tar -xzf "$pack/app.tar.gz" -C "$folder"
gzip -dc "$pack/node.gz" > "$folder/node"
chmod +x "$folder/node"

# What is tried first is this system's own C++ library, which its drivers may need; then ours.
starts() {
  LD_LIBRARY_PATH="$1${2:+:$2}" "$folder/node" -e 'require(process.argv[1])' \
    "$folder/build/Release/neuronode.node" 2> "$folder/why"
}
own=${LD_LIBRARY_PATH:-}
libraries=$folder/lib
starts "$libraries" "$own" || libraries=$folder/lib:$folder/lib/c++
starts "$libraries" "$own" || { cat "$folder/why" >&2; echo 'Node does not start here.' >&2; exit 1; }
export NEURONODE_PACK_LIBRARIES=$libraries NEURONODE_PACK_SECONDS=$SECONDS

LD_LIBRARY_PATH=$libraries${own:+:$own} "$folder/node" "$folder/scripts/gpu-check/main.mjs" "$@"
