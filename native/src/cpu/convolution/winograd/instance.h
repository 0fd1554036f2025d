// The table of Winograd kernels of the instruction set that the including file is compiled for.
#pragma once

#include "cpu/convolution/winograd/filters.h"
#include "cpu/convolution/winograd/kernels.h"
#include "cpu/convolution/winograd/products.h"

namespace neuronode::NN_ISA {

extern const WinogradKernels kWinogradKernels;
const WinogradKernels kWinogradKernels = {
    .lanes = kLanes,
    .panel = kPanel,
    .rows = kRows,
    .transformFilter = transformFilter,
    .collectFilterGradient = collectFilterGradient,
    .gatherInput = gatherInput,
    .gatherOutputGradient = gatherOutputGradient,
    .scatterOutput = scatterOutput,
    .multiply = multiply,
    .multiplyTransposed = multiplyTransposed,
    .sumRows = sumRows,
};

}  // namespace neuronode::NN_ISA
