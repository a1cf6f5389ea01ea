// C with x86 intrinsics: no launch, one call. It brings its own helpers, so nothing but the math
// library is defined here.
#pragma once
#include "libm.h"
#define restrict __restrict__

// C lets `void*` become any pointer; C++ does not, so allocation returns something that may.
struct XpMemory {
  void* address;
  template <class T>
  operator T*() const {
    return (T*)address;
  }
};
inline XpMemory malloc(size_t size) { return {xp_allocated(__builtin_malloc(size), size, false)}; }
inline XpMemory calloc(size_t count, size_t size) {
  return {xp_allocated(__builtin_calloc(count, size), count * size, true)};
}
inline XpMemory aligned_alloc(size_t to, size_t size) {
  return {xp_allocated(__builtin_aligned_alloc(to, size), size, false)};
}
inline XpMemory _mm_malloc(size_t size, size_t to) {
  return aligned_alloc(to, (size + to - 1) / to * to);
}
inline void free(void* address) { __builtin_free(xp_freed(address)); }
inline void _mm_free(void* address) { __builtin_free(xp_freed(address)); }
