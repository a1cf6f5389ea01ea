// What the C dialects share: sixteen-bit floats, vector types, conversions, min and max.
// Included inside the kernel's own namespace, after `runtime.h`; needs no standard library.
#pragma once
#include "libm.h"

// GNU attributes may stand anywhere in a declaration, `alignas` may not.
#define alignas(bytes) __attribute__((aligned(bytes)))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef _Float16 half;

// The float next to a number, with an odd last bit where it is not exact: rounding that once more to
// fewer bits gives what rounding the number itself gives. (Boldo and Melquiond, round to odd.)
inline float xp_odd(unsigned bits, bool exact, bool beyond) {
  if (!exact && !(bits & 1)) bits += beyond ? -1 : 1;
  float value;
  __builtin_memcpy(&value, &bits, 4);
  return value;
}
inline float xp_to_odd(float number) { return number; }
inline float xp_to_odd(double number) {
  const float near = (float)number;
  if (__builtin_isinf(near)) return near;
  unsigned bits;
  __builtin_memcpy(&bits, &near, 4);
  const bool beyond = __builtin_fabs((double)near) > __builtin_fabs(number);
  return xp_odd(bits, (double)near == number || number != number, beyond);
}
template <class T>
inline float xp_to_odd(T number) {
  if (sizeof(T) < 4) return (float)number;
  const float near = (float)number;
  unsigned bits;
  __builtin_memcpy(&bits, &near, 4);
  const __int128 got = (__int128)near, wanted = (__int128)number;
  return xp_odd(bits, got == wanted, (got < 0 ? -got : got) > (wanted < 0 ? -wanted : wanted));
}

// bfloat16 stores the upper half of a float; arithmetic happens in float.
struct bfloat16 {
  unsigned short bits;
  bfloat16() = default;
  template <class T>
  bfloat16(T number) {
    const float value = xp_to_odd(number);
    unsigned word;
    __builtin_memcpy(&word, &value, 4);
    const bool nan = (word & 0x7fffffff) > 0x7f800000;
    bits = nan ? (word >> 16 | 64) : (word + 0x7fff + (word >> 16 & 1)) >> 16;
  }
  operator float() const {
    const unsigned word = (unsigned)bits << 16;
    float value;
    __builtin_memcpy(&value, &word, 4);
    return value;
  }
  bfloat16& operator+=(float other) { return *this = bfloat16((float)*this + other); }
  bfloat16& operator-=(float other) { return *this = bfloat16((float)*this - other); }
  bfloat16& operator*=(float other) { return *this = bfloat16((float)*this * other); }
  bfloat16& operator/=(float other) { return *this = bfloat16((float)*this / other); }
};

template <class To, class From>
inline To xp_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "a bit cast keeps the size");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

// In a checked build vectors have the hardware's alignment, for a sanitizer to find accesses that
// break it. Otherwise they are aligned like their elements: an array ends exactly at an unreadable
// page, so that it need not start on a multiple of 16.
#ifdef XP_CHECKED
#define XP_VECTOR_ALIGN(bytes) __attribute__((aligned(bytes)))
#else
#define XP_VECTOR_ALIGN(bytes)
#endif
#ifndef XP_WIDEST_VECTOR
#define XP_WIDEST_VECTOR 16  // CUDA's vectors are aligned to 16 bytes at most
#endif
#define XP_VECTOR_ALIGN_OF(type, count)                                                   \
  XP_VECTOR_ALIGN(sizeof(type) * count < XP_WIDEST_VECTOR ? sizeof(type) * count : XP_WIDEST_VECTOR)

// `uint3` is what the runtime's indices are.
#define XP_VECTOR(type, name, struct3)                                                    \
  struct name##1 { type x; };                                                             \
  struct XP_VECTOR_ALIGN_OF(type, 2) name##2 { type x, y; };                              \
  struct3;                                                                                \
  struct XP_VECTOR_ALIGN_OF(type, 4) name##4 { type x, y, z, w; };                        \
  inline name##1 make_##name##1(type x) { return {x}; }                                   \
  inline name##2 make_##name##2(type x, type y) { return {x, y}; }                        \
  inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }             \
  inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
#define XP_VECTORS(type, name) XP_VECTOR(type, name, struct name##3 { type x; type y; type z; })
XP_VECTORS(signed char, char)
XP_VECTORS(unsigned char, uchar)
XP_VECTORS(short, short)
XP_VECTORS(unsigned short, ushort)
XP_VECTORS(int, int)
XP_VECTOR(unsigned, uint, typedef xp_uint3 uint3)
XP_VECTORS(long, long)
XP_VECTORS(unsigned long, ulong)
XP_VECTORS(long long, longlong)
XP_VECTORS(unsigned long long, ulonglong)
XP_VECTORS(float, float)
XP_VECTORS(double, double)
#undef XP_VECTORS
#undef XP_VECTOR

// min and max over every pair of arithmetic types, as the vendors' headers have them. Functions
// and not templates, so that a kernel of the same name can still be told apart by its type.
#define XP_MINMAX(A, B)                                                                   \
  inline auto max(A a, B b) { return a > b ? a : b; }                                     \
  inline auto min(A a, B b) { return a < b ? a : b; }
#define XP_MINMAX_ROW(A)                                                                  \
  XP_MINMAX(A, int) XP_MINMAX(A, unsigned) XP_MINMAX(A, long) XP_MINMAX(A, unsigned long) \
  XP_MINMAX(A, long long) XP_MINMAX(A, unsigned long long)
XP_MINMAX_ROW(int)
XP_MINMAX_ROW(unsigned)
XP_MINMAX_ROW(long)
XP_MINMAX_ROW(unsigned long)
XP_MINMAX_ROW(long long)
XP_MINMAX_ROW(unsigned long long)
#undef XP_MINMAX_ROW
#undef XP_MINMAX
#define XP_MINMAX(A, B, R, f)                                                             \
  inline R max(A a, B b) { return __builtin_fmax##f(a, b); }                              \
  inline R min(A a, B b) { return __builtin_fmin##f(a, b); }
XP_MINMAX(float, float, float, f)
XP_MINMAX(double, double, double, )
XP_MINMAX(float, double, double, )
XP_MINMAX(double, float, double, )
#undef XP_MINMAX
