// Functions and constants of the C library's math beyond `dialects/math.py`.
#pragma once
// What accesses the user's memory on a kernel's behalf: inlined without a trace of its own, so that
// the access has the user's line.
#define XP_INLINE inline __attribute__((always_inline, artificial))

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
XP_LIBM(nextafter)
#undef XP_LIBM
#define XP_LIBM(name, R)                                                                  \
  inline R name##f(float x) { return __builtin_##name##f(x); }                            \
  inline R name(double x) { return __builtin_##name(x); }
XP_LIBM(lround, long)
XP_LIBM(lrint, long)
XP_LIBM(llround, long long)
XP_LIBM(llrint, long long)
XP_LIBM(ilogb, int)
#undef XP_LIBM
inline float logbf(float x) { return __builtin_logbf(x); }
inline double logb(double x) { return __builtin_logb(x); }
inline float ldexpf(float x, int e) { return __builtin_ldexpf(x, e); }
inline double ldexp(double x, int e) { return __builtin_ldexp(x, e); }
inline float scalbnf(float x, int e) { return __builtin_ldexpf(x, e); }
inline double scalbn(double x, int e) { return __builtin_ldexp(x, e); }
XP_INLINE float frexpf(float x, int* e) { return __builtin_frexpf(x, e); }
XP_INLINE double frexp(double x, int* e) { return __builtin_frexp(x, e); }
XP_INLINE float modff(float x, float* whole) { return __builtin_modff(x, whole); }
XP_INLINE double modf(double x, double* whole) { return __builtin_modf(x, whole); }
XP_INLINE float remquof(float x, float y, int* q) { return __builtin_remquof(x, y, q); }
XP_INLINE double remquo(double x, double y, int* q) { return __builtin_remquo(x, y, q); }
XP_INLINE void sincosf(float x, float* s, float* c) {
  *s = __builtin_sinf(x);
  *c = __builtin_cosf(x);
}
XP_INLINE void sincos(double x, double* s, double* c) {
  *s = __builtin_sin(x);
  *c = __builtin_cos(x);
}

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
