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

// bfloat16 stores the upper half of a float; arithmetic happens in float.
struct bfloat16 {
  unsigned short bits;
  bfloat16() = default;
  template <class T>
  bfloat16(T number) {
    const float value = (float)number;
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

// Vectors are aligned like their elements: an array ends exactly at an unreadable page, so that it
// need not start on a multiple of 16. `uint3` is what the runtime's indices are.
#define XP_VECTOR(type, name, struct3)                                                    \
  struct name##1 { type x; };                                                             \
  struct name##2 { type x, y; };                                                          \
  struct3;                                                                                \
  struct name##4 { type x, y, z, w; };                                                    \
  inline name##1 make_##name##1(type x) { return {x}; }                                   \
  inline name##2 make_##name##2(type x, type y) { return {x, y}; }                        \
  inline name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }             \
  inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }
XP_VECTOR(signed char, char, struct char3 { signed char x; signed char y; signed char z; })
XP_VECTOR(unsigned char, uchar, struct uchar3 { unsigned char x; unsigned char y; unsigned char z; })
XP_VECTOR(short, short, struct short3 { short x; short y; short z; })
XP_VECTOR(unsigned short, ushort, struct ushort3 { unsigned short x; unsigned short y; unsigned short z; })
XP_VECTOR(int, int, struct int3 { int x; int y; int z; })
XP_VECTOR(unsigned, uint, typedef xp_uint3 uint3)
XP_VECTOR(long, long, struct long3 { long x; long y; long z; })
XP_VECTOR(unsigned long, ulong, struct ulong3 { unsigned long x; unsigned long y; unsigned long z; })
XP_VECTOR(long long, longlong, struct longlong3 { long long x; long long y; long long z; })
XP_VECTOR(unsigned long long, ulonglong, struct ulonglong3 { unsigned long long x; unsigned long long y; unsigned long long z; })
XP_VECTOR(float, float, struct float3 { float x; float y; float z; })
XP_VECTOR(double, double, struct double3 { double x; double y; double z; })
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
