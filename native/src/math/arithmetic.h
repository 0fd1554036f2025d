// The operations that compute y[i] from a[i] and b[i].
#pragma once

// A row each: its operation's enumerator and name.
#define NN_ARITHMETIC(ROW) ROW(Add, add)
