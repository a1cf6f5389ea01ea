// Clang's builtins for AMD's processors.
#pragma once
#include "half.h"

// The lanes of a wave run in lockstep; here they wait for those that are active with them.
inline void __builtin_amdgcn_wave_barrier(int site = __builtin_LINE()) { xp_sync_lanes(0, site); }
