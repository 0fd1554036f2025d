#include "binding/chores.h"

namespace neuronode::binding {

DeviceQueue& chores() {
  static DeviceQueue* queue = new DeviceQueue();
  return *queue;
}

}  // namespace neuronode::binding
