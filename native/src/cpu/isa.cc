#include "cpu/isa.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace neuronode {
namespace {

Isa widestSupported() {
  if (isaSupported(Isa::Avx512)) return Isa::Avx512;
  if (isaSupported(Isa::Avx2)) return Isa::Avx2;
  return Isa::Baseline;
}

Isa choose() {
  const Isa widest = widestSupported();
  const char* text = std::getenv("NEURONODE_ISA");
  if (text == nullptr || *text == '\0') return widest;
  for (Isa isa : {Isa::Baseline, Isa::Avx2, Isa::Avx512}) {
    if (std::string(text) == isaName(isa)) return isa < widest ? isa : widest;
  }
  throw std::invalid_argument("NEURONODE_ISA: expected baseline, avx2 or avx512, got '" +
                              std::string(text) + "'");
}

}  // namespace

bool isaSupported(Isa isa) {
  if (isa == Isa::Baseline) return true;
#if defined(__x86_64__)
  // These builtins also ask the operating system (XGETBV) whether it saves the wider registers.
  if (isa == Isa::Avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

Isa detectIsa() {
  static const Isa isa = choose();
  return isa;
}

int channelBlock(Isa isa) { return isa == Isa::Avx512 ? 16 : 8; }

const char* isaName(Isa isa) {
  switch (isa) {
    case Isa::Avx2:
      return "avx2";
    case Isa::Avx512:
      return "avx512";
    case Isa::Baseline:
      break;
  }
  return "baseline";
}

}  // namespace neuronode
