// What a C source with vector intrinsics sees while it is read: declarations only.
#define restrict __restrict__
#include "types.h"
