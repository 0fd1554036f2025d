// The Winograd kernels, compiled once per instruction set (see cpu/isa.h).
#include "cpu/convolution/winograd/instance.h"
