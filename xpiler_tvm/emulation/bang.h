// BANG C: qualifiers, ids and what the operations share. The operations follow, generated from the
// tables of `dialects/bang*.py`. Every operand is checked against the variable and the memory it lies
// in. `XP_STRICT` is 0 where the text is read as public kernels informally mean it.
#pragma once
#include "common.h"

#define __BANG__ 1
#define __mlu_global__
#define __mlu_entry__
#define __mlu_device__
#define __mlu_func__ inline
#define __mlu_host__
#define __mlu_builtin__
#define __mlu_const__ static const
// Sections of their own tell the memories apart. The compiler may not remove what only
// intrinsics touch, and the first byte is aligned as the vector unit wants it.
#define XP_MEMORY(name) static __attribute__((section(name), aligned(128)))
#define __nram__ XP_MEMORY("xp_nram")
#define __wram__ XP_MEMORY("xp_wram")
#define __mlu_shared__ XP_MEMORY("xp_sram")
#define __ldram__ XP_MEMORY("xp_ldram")

// An array of a size that is known at run time: the stack lies in NRAM. Weights may be such in
// lenient mode alone.
#define XP_AUTOMATIC __attribute__((aligned(128)))
// Public kernels hand arrays in GDRAM to the vector unit, which no hardware takes.
enum { XP_VECTORS = XP_STRICT ? XP_NRAM : XP_NRAM | XP_GDRAM };
enum { XP_WEIGHTS = XP_STRICT ? XP_WRAM : XP_WRAM | XP_STACK };

#define __bang_printf printf

typedef bfloat16 bfloat16_t;
typedef half half_t;
// Two 4-bit integers, the lower half first.
struct int4x2_t {
  unsigned char bits;
};

// In a checked build an access has the line of the user's call; a fast one compiles quicker.
#ifdef XP_CHECKED
#define XP_INTRINSIC XP_INLINE
#else
#define XP_INTRINSIC inline
#endif

// The line of the call, as a type that no argument converts to.
struct XpLine {
  int line;
  explicit XpLine(int line = __builtin_LINE()) : line(line) {}
};

template <class T>
struct XpSame {
  typedef T type;
};
template <class T, class... Allowed>
struct XpOneOf {
  static constexpr bool value = false;
};
template <class T, class... Rest>
struct XpOneOf<T, T, Rest...> {
  static constexpr bool value = true;
};
template <class T, class First, class... Rest>
struct XpOneOf<T, First, Rest...> : XpOneOf<T, Rest...> {};
template <class... Types>
struct XpTypes {};

template <class T>
struct XpInteger {
  static constexpr bool value = T(1) / T(2) == T(0);
};
template <>
struct XpInteger<bfloat16> {
  static constexpr bool value = false;
};
template <>
struct XpInteger<int4x2_t> {
  static constexpr bool value = true;
};

// Bytes of `n` elements.
template <class T>
inline long long xp_bytes(long long n) {
  return n * (long long)sizeof(T);
}
template <>
inline long long xp_bytes<int4x2_t>(long long n) {
  return (n + 1) / 2;
}

// Sixteen-bit floats are computed in float and rounded once.
XP_INLINE float xp_wide(half x) { return (float)x; }
XP_INLINE float xp_wide(bfloat16 x) { return (float)x; }
template <class T>
XP_INLINE T xp_wide(T x) {
  return x;
}
// Element `i` as it is computed with.
template <class T>
XP_INLINE auto xp_at(const T* p, long long i) {
  return xp_wide(p[i]);
}
XP_INLINE int xp_at(const int4x2_t* p, long long i) {
  return (signed char)(p[i / 2].bits << (i % 2 ? 0 : 4)) >> 4;
}

// The nearest value of an integer type. What an undefined number becomes is not documented.
template <class T>
inline T xp_saturate(double x, int bits = sizeof(T) * 8) {
  const bool negative = T(-1) < T(0);
  const double high = __builtin_ldexp(1, bits - negative), low = negative ? -high : 0;
  if (x != x) return T(0);
  return x >= high ? T((1ull << (bits - negative)) - 1) : x <= low ? T((long long)low) : T(x);
}

// A result of the matrix unit: rounded once, integers to the nearest that there is.
template <class T>
inline T xp_result(double x) {
  if constexpr (XpInteger<T>::value) return xp_saturate<T>(__builtin_rint(x));
  else return T(x);
}

inline bool __is_mpu() { return coreId == 0x80; }
inline bool __is_ipu() { return coreId != 0x80; }
// Cores are switched only where they wait: nothing can come between lock and unlock.
inline void __bang_lock(int = 0, int = 0) {}
inline void __bang_unlock(int = 0, int = 0) {}

#include "bang_copies.h"
#include "bang_numbers.h"
