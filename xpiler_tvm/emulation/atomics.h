// Atomic operations; which exist, and on which types, are rows of `dialects.atomics`. Threads are
// switched only where they wait, so a plain update is atomic.
#pragma once
#include "half.h"

template <class T, class... Types>
struct XpAmong {
  static constexpr bool value = (__is_same(T, Types) || ...);
};

// The new value from the old one and the operand; gives the old value.
template <class T, class Update>
XP_INLINE T xp_atomic(T* address, Update update) {
  XpAtomicScope scope(address, sizeof(T));
  const T old = *address;
  *address = update(old);
  return old;
}
// Compares the bits and not the values: a zero of the other sign is another value.
template <class T>
XP_INLINE T xp_atomic_cas(T* address, T compare, T value) {
  XpAtomicScope scope(address, sizeof(T));
  const T old = *address;
  if (!__builtin_memcmp(&old, &compare, sizeof old)) *address = value;
  return old;
}
template <class T>
inline T xp_smaller(T a, T b) { return b < a ? b : a; }
template <class T>
inline T xp_greater(T a, T b) { return b > a ? b : a; }
inline float xp_smaller(float a, float b) { return __builtin_fminf(a, b); }
inline float xp_greater(float a, float b) { return __builtin_fmaxf(a, b); }
inline double xp_smaller(double a, double b) { return __builtin_fmin(a, b); }
inline double xp_greater(double a, double b) { return __builtin_fmax(a, b); }
template <class T>
inline T xp_sum(T a, T b) { return a + b; }
inline float2 xp_sum(float2 a, float2 b) { return {a.x + b.x, a.y + b.y}; }
inline float4 xp_sum(float4 a, float4 b) { return {a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w}; }

#if XP_HIP
// Clang's own operations; order and scope change no value here.
#define __HIP_MEMORY_SCOPE_SINGLETHREAD 1
#define __HIP_MEMORY_SCOPE_WAVEFRONT 2
#define __HIP_MEMORY_SCOPE_WORKGROUP 3
#define __HIP_MEMORY_SCOPE_AGENT 4
#define __HIP_MEMORY_SCOPE_SYSTEM 5
#define XP_FETCH(name, update)                                                              \
  template <class T>                                                                        \
  XP_INLINE T __hip_atomic_##name(T* address, typename XpSame<T>::type value, int, int) {   \
    return xp_atomic(address, [&](T old) -> T { return update; });                          \
  }
XP_FETCH(exchange, value)
XP_FETCH(fetch_add, xp_sum(old, value))
XP_FETCH(fetch_sub, old - value)
XP_FETCH(fetch_min, xp_smaller(old, value))
XP_FETCH(fetch_max, xp_greater(old, value))
XP_FETCH(fetch_and, old & value)
XP_FETCH(fetch_or, old | value)
XP_FETCH(fetch_xor, old ^ value)
#undef XP_FETCH
template <class T>
XP_INLINE T __hip_atomic_load(const T* address, int, int) {
  XpAtomicScope scope(address, sizeof(T));
  return *address;
}
template <class T>
XP_INLINE void __hip_atomic_store(T* address, typename XpSame<T>::type value, int, int) {
  XpAtomicScope scope(address, sizeof(T));
  *address = value;
}
template <class T>
XP_INLINE bool __hip_atomic_compare_exchange_strong(T* address, T* expected,
                                                    typename XpSame<T>::type value, int, int, int) {
  const T old = xp_atomic_cas<T>(address, *expected, value);
  const bool same = !__builtin_memcmp(&old, expected, sizeof old);
  if (!same) *expected = old;
  return same;
}
template <class T>
XP_INLINE bool __hip_atomic_compare_exchange_weak(T* address, T* expected,
                                                  typename XpSame<T>::type value, int a, int b,
                                                  int c) {
  return __hip_atomic_compare_exchange_strong(address, expected, value, a, b, c);
}
#endif
