// The instruction sets that the CPU kernels are compiled for, and the one that this process uses.
//
// Policy: a file named *.simd.cc is compiled once per instruction set, with NN_ISA set to baseline,
// avx2 or avx512, and keeps everything it defines inside `namespace neuronode::NN_ISA`, so that no
// inline function compiled for a wider set can be linked into a narrower one. It exports a table of
// function pointers; an ordinary file picks the table at run time.
#pragma once

namespace neuronode {

enum class Isa { Baseline, Avx2, Avx512 };

/// Whether this build has kernels for `isa` and the processor and the operating system can run
/// them.
bool isaSupported(Isa isa);

/// The widest supported set, lowered (never raised) by the environment variable NEURONODE_ISA =
/// baseline, avx2 or avx512. Decided on the first call and the same for the whole process.
/// Throws std::invalid_argument if the variable holds anything else.
Isa detectIsa();

/// Channels that lie side by side in the blocked layout nChw{V}c: 8, 8, 16.
int channelBlock(Isa isa);

/// "baseline", "avx2" or "avx512".
const char* isaName(Isa isa);

}  // namespace neuronode
