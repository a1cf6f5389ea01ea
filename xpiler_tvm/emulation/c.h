// C and C++ with x86 intrinsics: no launch, one call.
#pragma once
#include "common.h"
