// Arithmetic and conversions with a rounding of their own: `_rn` to nearest, `_rz` towards zero, `_ru`
// up, `_rd` down. The processor does it: its rounding mode is set around one operation, which rounds
// the exact result, subnormals, overflows and the sign of zero included.
#pragma once
#include "common.h"

enum XpMode { XP_RN, XP_RD, XP_RU, XP_RZ };  // in the order of x86's control bits

#if defined(__x86_64__)
inline unsigned xp_control() { return __builtin_ia32_stmxcsr(); }
inline void xp_set_control(unsigned word) { __builtin_ia32_ldmxcsr(word); }
inline unsigned xp_control_of(unsigned word, XpMode mode) { return (word & ~0x6000u) | mode << 13; }
#elif defined(__aarch64__)
inline unsigned long xp_control() {
  unsigned long word;
  __asm__ volatile("mrs %0, fpcr" : "=r"(word));
  return word;
}
inline void xp_set_control(unsigned long word) { __asm__ volatile("msr fpcr, %0" ::"r"(word)); }
inline unsigned long xp_control_of(unsigned long word, XpMode mode) {
  const unsigned long bits[] = {0, 2, 1, 3};
  return (word & ~0xc00000ul) | bits[mode] << 22;
}
#else
#error "directed rounding is not known for this processor"
#endif

// The compiler may neither compute `value` before this point nor later.
template <class T>
inline void xp_here(T& value) {
  __asm__ volatile("" : "+m"(value));
}

struct XpRounding {
  decltype(xp_control()) before;
  explicit XpRounding(XpMode mode) : before(xp_control()) {
    xp_set_control(xp_control_of(before, mode));
  }
  ~XpRounding() { xp_set_control(before); }
};

template <class R, class Operation, class... T>
inline R xp_rounded(XpMode mode, Operation operation, T... values) {
  XpRounding scope(mode);
  (xp_here(values), ...);
  R result = operation(values...);
  xp_here(result);
  return result;
}

// For every rounding `suffix`: one function of one, two or three arguments.
#define XP_ROUND1(suffix, MODE, R, name, T, value)                                             \
  inline R name##_##suffix(T x) {                                                              \
    return xp_rounded<R>(MODE, [](T a) -> R { return value; }, x);                             \
  }
#define XP_ROUND2(suffix, MODE, T, name, value)                                                \
  inline T name##_##suffix(T x, T y) {                                                         \
    return xp_rounded<T>(MODE, [](T a, T b) -> T { return value; }, x, y);                     \
  }
#define XP_ROUND3(suffix, MODE, T, name, value)                                                \
  inline T name##_##suffix(T x, T y, T z) {                                                    \
    return xp_rounded<T>(MODE, [](T a, T b, T c) -> T { return value; }, x, y, z);             \
  }
#define XP_ARITHMETIC(suffix, MODE)                                                            \
  XP_ROUND2(suffix, MODE, float, __fadd, a + b)                                                \
  XP_ROUND2(suffix, MODE, float, __fsub, a - b)                                                \
  XP_ROUND2(suffix, MODE, float, __fmul, a * b)                                                \
  XP_ROUND2(suffix, MODE, float, __fdiv, a / b)                                                \
  XP_ROUND1(suffix, MODE, float, __frcp, float, 1.0f / a)                                      \
  XP_ROUND2(suffix, MODE, double, __dadd, a + b)                                               \
  XP_ROUND2(suffix, MODE, double, __dsub, a - b)                                               \
  XP_ROUND2(suffix, MODE, double, __dmul, a * b)                                               \
  XP_ROUND2(suffix, MODE, double, __ddiv, a / b)                                               \
  XP_ROUND1(suffix, MODE, double, __drcp, double, 1.0 / a)                                     \
  XP_ROUND1(suffix, MODE, double, __dsqrt, double, __builtin_sqrt(a))                          \
  XP_ROUND3(suffix, MODE, double, __fma, __builtin_fma(a, b, c))                               \
  XP_ROUND1(suffix, MODE, float, __double2float, double, (float)a)                             \
  XP_ROUND1(suffix, MODE, float, __int2float, int, (float)a)                                   \
  XP_ROUND1(suffix, MODE, float, __uint2float, unsigned, (float)a)                             \
  XP_ROUND1(suffix, MODE, float, __ll2float, long long, (float)a)                              \
  XP_ROUND1(suffix, MODE, float, __ull2float, unsigned long long, (float)a)                    \
  XP_ROUND1(suffix, MODE, double, __ll2double, long long, (double)a)                           \
  XP_ROUND1(suffix, MODE, double, __ull2double, unsigned long long, (double)a)
XP_ARITHMETIC(rn, XP_RN)
XP_ARITHMETIC(rz, XP_RZ)
XP_ARITHMETIC(ru, XP_RU)
XP_ARITHMETIC(rd, XP_RD)
#undef XP_ARITHMETIC
// To nearest, these two are rows of `dialects.math`.
#define XP_DIRECTED(suffix, MODE)                                                              \
  XP_ROUND1(suffix, MODE, float, __fsqrt, float, __builtin_sqrtf(a))                           \
  XP_ROUND3(suffix, MODE, float, __fmaf, __builtin_fmaf(a, b, c))
XP_DIRECTED(rz, XP_RZ)
XP_DIRECTED(ru, XP_RU)
XP_DIRECTED(rd, XP_RD)
#undef XP_DIRECTED
inline double __int2double_rn(int x) { return x; }
inline double __uint2double_rn(unsigned x) { return x; }

// To integers: out of range is the nearest integer in range. What NaN becomes depends on the types:
// zero, except that CUDA gives the smallest signed integer (the sign bit alone, for unsigned ones
// too) where one of the two has 64 bits. (PTX, cvt.)
template <class I, class F>
inline I xp_to_integer(F whole) {
  const bool is_signed = (I)-1 < 0;
  const I top = (I)1 << (8 * sizeof(I) - 1), low = is_signed ? top : 0, high = ~low;
  if (whole != whole) return !XP_HIP && (sizeof(I) == 8 || sizeof(F) == 8) ? top : 0;
  const F end = (F)(is_signed ? 1ull << (8 * sizeof(I) - 2) : 1ull << (8 * sizeof(I) - 1)) * 2;
  if (whole >= end) return high;
  if (is_signed ? whole < -end : whole < 0) return low;
  return (I)whole;
}
#define XP_TO_INTEGERS(suffix, round)                                                          \
  XP_TO_INTEGER(__float2int_##suffix, int, float, round##f)                                    \
  XP_TO_INTEGER(__float2uint_##suffix, unsigned, float, round##f)                              \
  XP_TO_INTEGER(__float2ll_##suffix, long long, float, round##f)                               \
  XP_TO_INTEGER(__float2ull_##suffix, unsigned long long, float, round##f)                     \
  XP_TO_INTEGER(__double2int_##suffix, int, double, round)                                     \
  XP_TO_INTEGER(__double2uint_##suffix, unsigned, double, round)                               \
  XP_TO_INTEGER(__double2ll_##suffix, long long, double, round)                                \
  XP_TO_INTEGER(__double2ull_##suffix, unsigned long long, double, round)
#define XP_TO_INTEGER(name, I, F, round)                                                       \
  inline I name(F x) { return xp_to_integer<I>(__builtin_##round(x)); }
XP_TO_INTEGERS(rn, nearbyint)
XP_TO_INTEGERS(rz, trunc)
XP_TO_INTEGERS(ru, ceil)
XP_TO_INTEGERS(rd, floor)
#undef XP_TO_INTEGERS
#undef XP_TO_INTEGER
