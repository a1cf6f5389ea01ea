// What CUDA's and HIP's device languages share and every kernel may need: qualifiers, barriers,
// memory. The rest is in headers of its own, which are included where a text mentions them.
#pragma once
#include "common.h"
#include "integer.h"
#include "warp.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
// Thread-local storage of the library is the block's shared memory: see `find_shared`.
#define __shared__ static __thread

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
  constexpr dim3(uint3 other) : x(other.x), y(other.y), z(other.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};

static const int warpSize = XP_WARP;

template <class T>
struct XpSame {
  typedef T type;
};
// What a function gives that the device does not have: no second error follows the first.
struct XpAnything {
  template <class T>
  operator T() const;
};

// --- barriers and fences. The line of the call identifies a barrier, since a compiler may
// duplicate the call itself.
inline void __syncthreads(int site = __builtin_LINE()) {
  xp_barrier(site, 0, nullptr);
  __asm__ volatile("" ::: "memory");
}
inline int __syncthreads_count(int predicate, int site = __builtin_LINE()) {
  return xp_barrier(site, predicate, nullptr);
}
inline int __syncthreads_or(int predicate, int site = __builtin_LINE()) {
  return xp_barrier(site, predicate, nullptr) != 0;
}
inline int __syncthreads_and(int predicate, int site = __builtin_LINE()) {
  int total = 0;
  const int count = xp_barrier(site, predicate, &total);
  return count == total;
}
inline void __threadfence() { xp_fence(); }
inline void __threadfence_block() {}
inline void __threadfence_system() { xp_fence(); }
inline void __nanosleep(unsigned) {}

// --- memory: accesses with a hint for the caches
#define XP_LOAD(name)                 \
  template <class T>                  \
  XP_INLINE T name(const T* address) { \
    return *address;                  \
  }
XP_LOAD(__ldg)
XP_LOAD(__ldca)
XP_LOAD(__ldcg)
XP_LOAD(__ldcs)
XP_LOAD(__ldlu)
XP_LOAD(__ldcv)
#undef XP_LOAD
#define XP_STORE(name)                                               \
  template <class T>                                                 \
  XP_INLINE void name(T* address, typename XpSame<T>::type value) {  \
    *address = value;                                                \
  }
XP_STORE(__stwb)
XP_STORE(__stcg)
XP_STORE(__stcs)
XP_STORE(__stwt)
#undef XP_STORE

// --- bit casts
inline int __float_as_int(float x) { return xp_bits<int>(x); }
inline unsigned __float_as_uint(float x) { return xp_bits<unsigned>(x); }
inline float __int_as_float(int x) { return xp_bits<float>(x); }
inline float __uint_as_float(unsigned x) { return xp_bits<float>(x); }
inline long long __double_as_longlong(double x) { return xp_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return xp_bits<double>(x); }
inline int __double2loint(double x) { return (int)xp_bits<long long>(x); }
inline int __double2hiint(double x) { return (int)(xp_bits<long long>(x) >> 32); }
inline double __hiloint2double(int high, int low) {
  return xp_bits<double>((long long)high << 32 | (unsigned)low);
}

// --- fast forms that are no rows of `dialects.math`
inline float __fdividef(float a, float b) { return a / b; }
inline float fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return x > 0 ? x < 1 ? x : 1 : 0; }
XP_INLINE void __sincosf(float x, float* s, float* c) { sincosf(x, s, c); }

// Clocks count nothing here.
inline long long clock64() { return 0; }
inline int clock() { return 0; }
