// A thread for what neither an environment's thread nor a device's should wait for: opening a
// device library, giving large memory back.
#pragma once

#include "device_queue.h"

namespace neuronode::binding {

// Never destroyed, as its thread is never joined.
DeviceQueue& chores();

}  // namespace neuronode::binding
