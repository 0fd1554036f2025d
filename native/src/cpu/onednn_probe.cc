// Links against oneDNN and says the version of the library that runs. A program of its own,
// compiled when the build is set up; status 1 where header and library are of different major
// versions.
#include <cstdio>

#include "oneapi/dnnl/dnnl.h"

int main() {
  const dnnl_version_t* version = dnnl_version();
  std::printf("%d.%d.%d", version->major, version->minor, version->patch);
  return version->major == DNNL_VERSION_MAJOR ? 0 : 1;
}
