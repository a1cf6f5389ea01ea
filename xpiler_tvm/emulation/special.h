// What the rows of `dialects.math.COMPOSED` are written in, and functions with pointers. Everything
// is computed in double.
#pragma once
#include "libm.h"

// Functions of libm that are no builtins of every compiler.
#define XP_LIBM(name) extern "C" double xp_##name(double) __asm__(#name);
XP_LIBM(j0)
XP_LIBM(j1)
XP_LIBM(y0)
XP_LIBM(y1)
#undef XP_LIBM

// sin and cos of pi * x, exact at multiples of a half: x is reduced before it meets pi.
inline double xp_sinpi(double x) {
  const double rest = __builtin_fmod(x, 2), near = __builtin_nearbyint(2 * rest);
  const double angle = (rest - near / 2) * M_PI;
  switch ((int)near & 3) {
    case 0: return near == 0 && rest == 0 ? x * 0 : __builtin_sin(angle);
    case 1: return __builtin_cos(angle);
    case 2: return angle == 0 ? __builtin_copysign(0.0, x) : -__builtin_sin(angle);
    default: return -__builtin_cos(angle);
  }
}
inline double xp_cospi(double x) {
  const double rest = __builtin_fabs(__builtin_fmod(x, 2)), near = __builtin_nearbyint(2 * rest);
  const double angle = (rest - near / 2) * M_PI;
  switch ((int)near & 3) {
    case 0: return __builtin_cos(angle);
    case 1: return angle == 0 ? 0 : -__builtin_sin(angle);
    case 2: return -__builtin_cos(angle);
    default: return angle == 0 ? 0 : __builtin_sin(angle);
  }
}
// exp(x * x) * erfc(x); far out by its continued fraction, where the factors leave the range.
inline double xp_erfcx(double x) {
  if (x < 10) return __builtin_exp(x * x) * __builtin_erfc(x);
  double tail = x;
  for (int k = 40; k > 0; --k) tail = x + k / 2.0 / tail;
  return 0.56418958354775628695 / tail;  // 1 / sqrt(pi)
}
// The x with erfc(x) == y: Newton's method on log(erfc), whose curve is nearly straight in the tail.
inline double xp_erfcinv(double y) {
  if (!(y >= 0 && y <= 2)) return __builtin_nan("");
  if (y == 0 || y == 2) return y == 0 ? __builtin_inf() : -__builtin_inf();
  if (y > 1) return -xp_erfcinv(2 - y);
  double x = y > 0.5 ? (1 - y) * 0.88622692545275801365 : __builtin_sqrt(-__builtin_log(y));
  for (int i = 0; i < 60; ++i) {
    const double value = __builtin_erfc(x), slope = -1.12837916709551257390 * __builtin_exp(-x * x);
    const double step = value * __builtin_log(value / y) / slope;
    x -= step;
    if (__builtin_fabs(step) <= 1e-16 * __builtin_fabs(x)) break;
  }
  return x;
}
// Near zero erf is told from its series, whose first terms invert directly.
inline double xp_erfinv(double y) {
  if (!(__builtin_fabs(y) <= 1)) return __builtin_nan("");
  if (__builtin_fabs(y) == 1) return y * __builtin_inf();
  double x = y * 0.88622692545275801365;
  if (__builtin_fabs(y) > 0.5) return __builtin_copysign(xp_erfcinv(1 - __builtin_fabs(y)), y);
  for (int i = 0; i < 8; ++i) {
    x -= (__builtin_erf(x) - y) / (1.12837916709551257390 * __builtin_exp(-x * x));
  }
  return x;
}

inline void sincospi(double x, double* s, double* c) { *s = xp_sinpi(x), *c = xp_cospi(x); }
inline void sincospif(float x, float* s, float* c) { *s = xp_sinpi(x), *c = xp_cospi(x); }
template <class T>
XP_INLINE double xp_norm(int dim, const T* values) {
  double norm = 0;
  for (int i = 0; i < dim; ++i) norm = __builtin_hypot(norm, values[i]);
  return norm;
}
XP_INLINE double norm(int dim, const double* values) { return xp_norm(dim, values); }
XP_INLINE float normf(int dim, const float* values) { return xp_norm(dim, values); }
XP_INLINE double rnorm(int dim, const double* values) { return 1 / xp_norm(dim, values); }
XP_INLINE float rnormf(int dim, const float* values) { return 1 / xp_norm(dim, values); }
