// Which devices there are: the CPU, and what the CUDA library offers. Any thread.
//
// The CUDA library is opened when the first device other than the CPU is asked for, or the list:
// never by programs on the CPU. Opening takes as long as loading NVIDIA's libraries does (a second
// and more), and is done once; later calls only look up.
#pragma once

#include <string>
#include <vector>

#include "device.h"

namespace neuronode {

// 'cpu', 'cuda' (the first GPU) or 'cuda:N'. Throws ERR_NN_ARGUMENT for other names, and where the
// device is missing an Error with its own code and reason.
Device& findDevice(const std::string& name);
// The same; null where the device is missing.
Device* lookUpDevice(const std::string& name);

// The CPU first.
std::vector<Device*> listDevices();

std::vector<MissingDevice> missingDevices();

}  // namespace neuronode
