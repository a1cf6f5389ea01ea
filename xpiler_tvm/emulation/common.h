// What the C dialects share: sixteen-bit floats, vector types, conversions, min and max.
// Included inside the kernel's own namespace, after `runtime.h`; needs no standard library.
#pragma once

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

inline int abs(int x) { return __builtin_abs(x); }
inline long abs(long x) { return __builtin_labs(x); }
inline long long abs(long long x) { return __builtin_llabs(x); }
inline float abs(float x) { return __builtin_fabsf(x); }
inline double abs(double x) { return __builtin_fabs(x); }
inline bool isnan(float x) { return __builtin_isnan(x); }
inline bool isnan(double x) { return __builtin_isnan(x); }
inline bool isinf(float x) { return __builtin_isinf(x); }
inline bool isinf(double x) { return __builtin_isinf(x); }
inline bool isfinite(float x) { return __builtin_isfinite(x); }
inline bool isfinite(double x) { return __builtin_isfinite(x); }
inline bool signbit(float x) { return __builtin_signbit(x); }
inline bool signbit(double x) { return __builtin_signbit(x); }

// Functions of libm beyond `dialects/math.py`.
#define XP_LIBM(name)                                                                     \
  inline float name##f(float x) { return __builtin_##name##f(x); }                        \
  inline double name(double x) { return __builtin_##name(x); }                            \
  inline float name(float x) { return __builtin_##name##f(x); }
XP_LIBM(asinh)
XP_LIBM(acosh)
XP_LIBM(atanh)
XP_LIBM(erfc)
XP_LIBM(lgamma)
XP_LIBM(tgamma)
#undef XP_LIBM
#define XP_LIBM(name)                                                                     \
  inline float name##f(float x, float y) { return __builtin_##name##f(x, y); }            \
  inline double name(double x, double y) { return __builtin_##name(x, y); }               \
  inline float name(float x, float y) { return __builtin_##name##f(x, y); }
XP_LIBM(fdim)
XP_LIBM(remainder)
#undef XP_LIBM
inline long lroundf(float x) { return __builtin_lroundf(x); }
inline long lround(double x) { return __builtin_lround(x); }
inline long lrintf(float x) { return __builtin_lrintf(x); }
inline long lrint(double x) { return __builtin_lrint(x); }
inline float ldexpf(float x, int e) { return __builtin_ldexpf(x, e); }
inline double ldexp(double x, int e) { return __builtin_ldexp(x, e); }
inline void sincosf(float x, float* s, float* c) { *s = __builtin_sinf(x), *c = __builtin_cosf(x); }
inline void sincos(double x, double* s, double* c) { *s = __builtin_sin(x), *c = __builtin_cos(x); }

#ifndef INFINITY
#define INFINITY __builtin_inff()
#endif
#ifndef NAN
#define NAN __builtin_nanf("")
#endif
#ifndef M_PI
#define M_PI 3.14159265358979323846
#define M_PI_2 1.57079632679489661923
#define M_PI_4 0.78539816339744830962
#define M_1_PI 0.31830988618379067154
#define M_2_PI 0.63661977236758134308
#define M_2_SQRTPI 1.12837916709551257390
#define M_SQRT2 1.41421356237309504880
#define M_SQRT1_2 0.70710678118654752440
#define M_E 2.71828182845904523536
#define M_LOG2E 1.44269504088896340736
#define M_LOG10E 0.43429448190325182765
#define M_LN2 0.69314718055994530942
#define M_LN10 2.30258509299404568402
#endif
