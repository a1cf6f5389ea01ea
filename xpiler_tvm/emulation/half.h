// half and bfloat16, numbers and pairs. The families of functions are rows of `dialects.sixteen`;
// here are the types, what the rows' meanings use, and what belongs to no family.
#pragma once
#include "rounding.h"

typedef half __half;
typedef bfloat16 __nv_bfloat16;
typedef bfloat16 nv_bfloat16;
typedef bfloat16 __hip_bfloat16;
typedef bfloat16 hip_bfloat16;

#define XP_PAIR_TYPE(T, T2)              \
  struct XP_VECTOR_ALIGN(4) T2 {         \
    T x, y;                              \
    T2() = default;                      \
    T2(T x, T y) : x(x), y(y) {}         \
  };
XP_PAIR_TYPE(half, half2)
XP_PAIR_TYPE(bfloat16, bfloat162)
#undef XP_PAIR_TYPE
typedef half2 __half2;
typedef bfloat162 __nv_bfloat162;
typedef bfloat162 nv_bfloat162;
typedef bfloat162 __hip_bfloat162;

// Arithmetic in float rounds twice to no harm: 24 bits are at least 2 * 11 + 2. A fused operation
// does not fit; it is rounded to odd on the way.
inline double xp_fused(float a, float b, float c) {
  const double product = (double)a * b, sum = product + c, part = sum - product;
  const double rest = (product - (sum - part)) + (c - part);
  long long bits = xp_bits<long long>(sum);
  if (rest == 0 || sum - sum != 0 || bits & 1) return sum;
  return xp_bits<double>(bits + ((rest > 0) == (sum > 0) ? 1 : -1));
}
inline bool xp_unordered(float a, float b) { return a != a || b != b; }
inline float xp_saturate(double x) { return x > 0 ? x < 1 ? xp_to_odd(x) : 1 : 0; }
inline float xp_relu(double x) { return x > 0 || x != x ? xp_to_odd(x) : 0; }
// Zeros are told apart, and NaN is nobody's maximum.
inline float xp_larger(float a, float b) {
  if (a != a) return b;
  if (a == b) return __builtin_signbit(a) ? b : a;
  return a > b || b != b ? a : b;
}
inline float xp_exp10(float x) { return __builtin_pow(10.0, x); }

template <class T>
inline int xp_side(float number, T exact) {  // of which side of `exact` it is
  const double value = number, other = (double)exact;
  return value == other ? 0 : value < other ? -1 : 1;
}
inline int xp_side_of_integer(float number, __int128 exact) {
  if (number - number != 0) return number < 0 ? -1 : 1;
  const __int128 value = (__int128)number;
  return value < exact ? -1 : value > exact;
}
inline int xp_side(float number, long long exact) { return xp_side_of_integer(number, exact); }
inline int xp_side(float number, unsigned long long exact) {
  return xp_side_of_integer(number, exact);
}

// The nearest sixteen-bit number, or the next one towards where `mode` rounds.
template <class T, class From>
inline T xp_sixteen(From from, XpMode mode) {
  const T near = T(xp_to_odd(from));
  const int side = mode == XP_RN || from != from ? 0 : xp_side((float)near, from);
  const bool down = mode == XP_RD || (mode == XP_RZ && from > 0);
  if (side == 0 || (side > 0) != down) return near;
  unsigned short bits = xp_bits<unsigned short>(near);
  if (down && bits == 0) bits = 0x8000;
  if (!down && bits == 0x8000) bits = 0;
  return xp_bits<T>((unsigned short)(bits + ((bits >> 15) == down ? 1 : -1)));
}
template <class I>
inline I xp_from_sixteen(float from, XpMode mode) {
  const float whole = mode == XP_RN   ? __builtin_nearbyintf(from)
                      : mode == XP_RZ ? __builtin_truncf(from)
                      : mode == XP_RU ? __builtin_ceilf(from)
                                      : __builtin_floorf(from);
  if (sizeof(I) >= 4) return xp_to_integer<I>(whole);
  const float low = (I)-1 < 0 ? -(float)(1 << (8 * sizeof(I) - 1)) : 0;
  const float high = (float)((1 << (8 * sizeof(I) - ((I)-1 < 0))) - 1);
  return whole != whole ? 0 : (I)(whole < low ? low : whole > high ? high : whole);
}

#define XP_BITS_OF(name, T)                                                              \
  inline T __ushort_as_##name(unsigned short x) { return xp_bits<T>(x); }                \
  inline T __short_as_##name(short x) { return xp_bits<T>(x); }                          \
  inline unsigned short __##name##_as_ushort(T x) { return xp_bits<unsigned short>(x); } \
  inline short __##name##_as_short(T x) { return xp_bits<short>(x); }
XP_BITS_OF(half, half)
XP_BITS_OF(bfloat16, bfloat16)
#undef XP_BITS_OF

#define XP_CLASSES(T)                                                                      \
  inline bool __hisnan(T a) { return __builtin_isnan((float)a); }                          \
  inline int __hisinf(T a) {                                                               \
    return __builtin_isinf((float)a) ? ((float)a < 0 ? -1 : 1) : 0;                        \
  }
XP_CLASSES(half)
XP_CLASSES(bfloat16)
#undef XP_CLASSES

// Pairs: names with the type in them, and those that both share.
#define XP_PAIR(T, T2, name, name2)                                                        \
  inline T2 make_##name2(T x, T y) { return {x, y}; }                                      \
  inline T2 __float2##name2##_rn(float x) { return {T(x), T(x)}; }                         \
  inline T2 __floats2##name2##_rn(float x, float y) { return {T(x), T(y)}; }               \
  inline T2 __float22##name2##_rn(float2 v) { return {T(v.x), T(v.y)}; }                   \
  inline float2 __##name2##2float2(T2 v) { return {(float)v.x, (float)v.y}; }              \
  inline T2 __##name##2##name2(T x) { return {x, x}; }                                     \
  inline T2 __halves2##name2(T x, T y) { return {x, y}; }                                  \
  inline T __low2##name(T2 v) { return v.x; }                                              \
  inline T __high2##name(T2 v) { return v.y; }                                             \
  inline T2 __low2##name2(T2 v) { return {v.x, v.x}; }                                     \
  inline T2 __high2##name2(T2 v) { return {v.y, v.y}; }                                    \
  inline T2 __lows2##name2(T2 a, T2 b) { return {a.x, b.x}; }                              \
  inline T2 __highs2##name2(T2 a, T2 b) { return {a.y, b.y}; }                             \
  inline float __low2float(T2 v) { return (float)v.x; }                                    \
  inline float __high2float(T2 v) { return (float)v.y; }                                   \
  inline T2 __lowhigh2highlow(T2 v) { return {v.y, v.x}; }                                 \
  inline T2 __hcmadd(T2 a, T2 b, T2 c) {                                                   \
    const T x = T(xp_fused(a.x, b.x, c.x)), y = T(xp_fused(a.x, b.y, c.y));                \
    return {T(xp_fused(-(float)a.y, b.y, x)), T(xp_fused(a.y, b.x, y))};                   \
  }
XP_PAIR(half, half2, half, half2)
XP_PAIR(bfloat16, bfloat162, bfloat16, bfloat162)
#undef XP_PAIR

// Operators round every single operation. A bfloat16 and a number of another type are ambiguous, as
// for the vendors' compilers.
#define XP_PAIR_OPERATOR(T, T2, op)                                                        \
  inline T2 operator op(T2 a, T2 b) {                                                      \
    return {T((float)a.x op(float) b.x), T((float)a.y op(float) b.y)};                     \
  }                                                                                        \
  inline T2& operator op##=(T2& a, T2 b) { return a = a op b; }
#define XP_PAIR_COMPARISON(T2, op)                                                         \
  inline bool operator op(T2 a, T2 b) {                                                    \
    return (float)a.x op(float) b.x && (float)a.y op(float) b.y;                           \
  }
#define XP_PAIR_OPERATORS(T, T2)                                                           \
  XP_PAIR_OPERATOR(T, T2, +)                                                               \
  XP_PAIR_OPERATOR(T, T2, -)                                                               \
  XP_PAIR_OPERATOR(T, T2, *)                                                               \
  XP_PAIR_OPERATOR(T, T2, /)                                                               \
  XP_PAIR_COMPARISON(T2, ==)                                                               \
  XP_PAIR_COMPARISON(T2, !=)                                                               \
  XP_PAIR_COMPARISON(T2, <)                                                                \
  XP_PAIR_COMPARISON(T2, <=)                                                               \
  XP_PAIR_COMPARISON(T2, >)                                                                \
  XP_PAIR_COMPARISON(T2, >=)                                                               \
  inline T2 operator-(T2 a) { return {T(-(float)a.x), T(-(float)a.y)}; }                   \
  inline T2 operator+(T2 a) { return a; }
XP_PAIR_OPERATORS(half, half2)
XP_PAIR_OPERATORS(bfloat16, bfloat162)
#undef XP_PAIR_OPERATORS
#undef XP_PAIR_COMPARISON
#undef XP_PAIR_OPERATOR
#define XP_OPERATOR(op)                                     \
  inline bfloat16 operator op(bfloat16 a, bfloat16 b) {     \
    return bfloat16((float)a op(float) b);                  \
  }
XP_OPERATOR(+)
XP_OPERATOR(-)
XP_OPERATOR(*)
XP_OPERATOR(/)
#undef XP_OPERATOR
inline bfloat16 operator-(bfloat16 a) { return bfloat16(-(float)a); }
