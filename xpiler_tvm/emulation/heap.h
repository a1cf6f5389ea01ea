// The heap of CUDA's and HIP's device code.
#pragma once

inline void* malloc(size_t bytes) { return __builtin_malloc(bytes); }
inline void free(void* address) { __builtin_free(address); }
