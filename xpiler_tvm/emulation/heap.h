// The heap of CUDA's and HIP's device code.
#pragma once

inline void* malloc(size_t bytes) { return xp_allocated(__builtin_malloc(bytes), bytes, false); }
inline void free(void* address) { __builtin_free(xp_freed(address)); }
