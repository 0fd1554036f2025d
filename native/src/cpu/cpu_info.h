#pragma once

#include <string>

namespace neuronode {

// The processor's name for people, such as "AMD EPYC 7B13", or "unknown processor".
std::string cpuModel();

}  // namespace neuronode
