// C with x86 intrinsics: no launch, one call. It brings its own helpers, so nothing but the math
// library is defined here.
#pragma once
#include "libm.h"
#define restrict __restrict__
