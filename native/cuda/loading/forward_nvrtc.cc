// NVRTC's functions, forwarded: cudnn-frontend names them for its own run-time kernels, none of
// which the backend asks for; cuDNN itself uses the library. See symbols.h.
#include <nvrtc.h>

#include "loading/symbols.h"

namespace neuronode::cuda {

SymbolTable& nvrtcSymbols() {
  static SymbolTable table;
  return table;
}

}  // namespace neuronode::cuda

#define FORWARD(result, name, parameters, arguments)                                    \
  NN_FORWARD(neuronode::cuda::nvrtcSymbols(), NVRTC_ERROR_INTERNAL_ERROR, result, name, \
             parameters, arguments)

FORWARD(nvrtcResult, nvrtcCreateProgram,
        (nvrtcProgram * prog, const char* src, const char* name, int numHeaders,
         const char* const* headers, const char* const* includeNames),
        (prog, src, name, numHeaders, headers, includeNames))
FORWARD(nvrtcResult, nvrtcCompileProgram,
        (nvrtcProgram prog, int numOptions, const char* const* options),
        (prog, numOptions, options))
FORWARD(nvrtcResult, nvrtcDestroyProgram, (nvrtcProgram * prog), (prog))
FORWARD(nvrtcResult, nvrtcGetCUBIN, (nvrtcProgram prog, char* cubin), (prog, cubin))
FORWARD(nvrtcResult, nvrtcGetCUBINSize, (nvrtcProgram prog, size_t* cubinSizeRet),
        (prog, cubinSizeRet))
FORWARD(nvrtcResult, nvrtcGetPTX, (nvrtcProgram prog, char* ptx), (prog, ptx))
FORWARD(nvrtcResult, nvrtcGetPTXSize, (nvrtcProgram prog, size_t* ptxSizeRet), (prog, ptxSizeRet))
FORWARD(nvrtcResult, nvrtcGetProgramLog, (nvrtcProgram prog, char* log), (prog, log))
FORWARD(nvrtcResult, nvrtcGetProgramLogSize, (nvrtcProgram prog, size_t* logSizeRet),
        (prog, logSizeRet))
