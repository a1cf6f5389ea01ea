// The constants and functions of the C and C++ standard libraries that device code calls.
#pragma once
#include "types.h"
namespace std { using ::size_t; using ::int8_t; using ::uint8_t; using ::int32_t; using ::uint32_t; using ::int64_t; using ::uint64_t; }
#define NULL 0
#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define HUGE_VALF __builtin_inff()
#define FLT_MAX 3.402823466e+38f
#define FLT_MIN 1.175494351e-38f
#define FLT_EPSILON 1.192092896e-07f
#define DBL_MAX 1.7976931348623157e+308
#define INT_MAX 2147483647
#define INT_MIN (-2147483647 - 1)
#define UINT_MAX 4294967295u
#define M_PI 3.14159265358979323846
#define M_SQRT1_2 0.70710678118654752440
#define M_SQRT2 1.41421356237309504880
#define M_2_SQRTPI 1.12837916709551257390
#define M_1_PI 0.31830988618379067154
#define M_LOG2E 1.44269504088896340736
#define M_LN2 0.69314718055994530942
#define EXIT_FAILURE 1
#define EXIT_SUCCESS 0

#define XP_HD __attribute__((host)) __attribute__((device))
#define XP_MATH1(name) XP_HD double name(double); XP_HD float name(float); XP_HD double name(int); XP_HD float name##f(float);
#define XP_MATH2(name) XP_HD double name(double, double); XP_HD float name(float, float); XP_HD float name##f(float, float); \
  XP_HD double name(double, float); XP_HD double name(float, double); XP_HD double name(int, double); XP_HD double name(double, int); \
  XP_HD float name(float, int); XP_HD float name(int, float);
XP_MATH1(exp) XP_MATH1(exp2) XP_MATH1(exp10) XP_MATH1(expm1) XP_MATH1(log) XP_MATH1(log2) XP_MATH1(log10) XP_MATH1(log1p)
XP_MATH1(sqrt) XP_MATH1(rsqrt) XP_MATH1(cbrt) XP_MATH1(sin) XP_MATH1(cos) XP_MATH1(tan) XP_MATH1(asin) XP_MATH1(acos)
XP_MATH1(atan) XP_MATH1(sinh) XP_MATH1(cosh) XP_MATH1(tanh) XP_MATH1(erf) XP_MATH1(floor) XP_MATH1(ceil) XP_MATH1(trunc)
XP_MATH1(round) XP_MATH1(rint) XP_MATH1(nearbyint) XP_MATH1(fabs)
XP_MATH1(asinh) XP_MATH1(acosh) XP_MATH1(atanh) XP_MATH1(erfc) XP_MATH1(lgamma) XP_MATH1(tgamma)
XP_MATH2(atan2) XP_MATH2(pow) XP_MATH2(fmax) XP_MATH2(fmin) XP_MATH2(fmod) XP_MATH2(hypot) XP_MATH2(copysign)
XP_MATH2(fdim) XP_MATH2(remainder) XP_MATH2(nextafter)
#define XP_MATH_TO(R, name) XP_HD R name(double); XP_HD R name##f(float);
XP_MATH_TO(long, lround) XP_MATH_TO(long, lrint) XP_MATH_TO(long long, llround) XP_MATH_TO(long long, llrint) XP_MATH_TO(int, ilogb)
XP_HD double logb(double); XP_HD float logbf(float);
#define XP_MATH_WITH(T, name) XP_HD double name(double, T); XP_HD float name##f(float, T);
XP_MATH_WITH(int, ldexp) XP_MATH_WITH(int, scalbn) XP_MATH_WITH(int *, frexp)
XP_HD double modf(double, double *); XP_HD float modff(float, float *);
XP_HD double remquo(double, double, int *); XP_HD float remquof(float, float, int *);
XP_HD void sincos(double, double *, double *); XP_HD void sincosf(float, float *, float *);
XP_HD double fma(double, double, double); XP_HD float fma(float, float, float); XP_HD float fmaf(float, float, float);
XP_HD int abs(int); XP_HD long abs(long); XP_HD long long abs(long long); XP_HD float abs(float); XP_HD double abs(double);
XP_HD bool isnan(float); XP_HD bool isnan(double); XP_HD bool isinf(float); XP_HD bool isinf(double); XP_HD bool isfinite(float); XP_HD bool isfinite(double); XP_HD bool signbit(float); XP_HD bool signbit(double);
#ifndef XP_C  // C has no functions of these names: many files have their own
#define XP_MINMAX(T) XP_HD T min(T, T); XP_HD T max(T, T);
XP_MINMAX(int) XP_MINMAX(unsigned) XP_MINMAX(long) XP_MINMAX(unsigned long) XP_MINMAX(long long) XP_MINMAX(unsigned long long) XP_MINMAX(float) XP_MINMAX(double)
XP_HD double min(float, double); XP_HD double max(float, double); XP_HD double min(double, float); XP_HD double max(double, float);
XP_HD unsigned min(int, unsigned); XP_HD unsigned min(unsigned, int); XP_HD unsigned max(int, unsigned); XP_HD unsigned max(unsigned, int);
XP_HD long min(int, long); XP_HD long min(long, int); XP_HD long max(int, long); XP_HD long max(long, int);
XP_HD unsigned long min(unsigned long, int); XP_HD unsigned long min(int, unsigned long); XP_HD unsigned long min(unsigned long, unsigned);
#endif
namespace std {
template <class T> XP_HD T min(T a, T b); template <class T> XP_HD T max(T a, T b);
template <class T> struct numeric_limits {
  XP_HD static T max(); XP_HD static T min(); XP_HD static T lowest(); XP_HD static T epsilon(); XP_HD static T infinity(); XP_HD static T quiet_NaN();
};
template <class A, class B> struct is_same { static constexpr bool value = false; };
template <class A> struct is_same<A, A> { static constexpr bool value = true; };
template <class A, class B> inline constexpr bool is_same_v = is_same<A, B>::value;
template <class T> struct is_integral { static constexpr bool value = __is_integral(T); };
template <class T> struct is_floating_point { static constexpr bool value = __is_floating_point(T); };
template <class T> struct is_signed { static constexpr bool value = __is_signed(T); };
template <class T> struct is_unsigned { static constexpr bool value = __is_unsigned(T); };
template <class T> inline constexpr bool is_integral_v = is_integral<T>::value;
template <class T> inline constexpr bool is_floating_point_v = is_floating_point<T>::value;
template <class T> inline constexpr bool is_signed_v = is_signed<T>::value;
template <class T> inline constexpr bool is_unsigned_v = is_unsigned<T>::value;
template <bool, class A, class B> struct conditional { typedef A type; };
template <class A, class B> struct conditional<false, A, B> { typedef B type; };
template <bool test, class A, class B> using conditional_t = typename conditional<test, A, B>::type;
template <class T> struct is_arithmetic { static constexpr bool value = __is_arithmetic(T); };
template <class T> struct is_pointer { static constexpr bool value = __is_pointer(T); };
template <class T> inline constexpr bool is_arithmetic_v = is_arithmetic<T>::value;
template <class T> inline constexpr bool is_pointer_v = is_pointer<T>::value;
template <bool, class T = void> struct enable_if {};
template <class T> struct enable_if<true, T> { typedef T type; };
template <bool test, class T = void> using enable_if_t = typename enable_if<test, T>::type;
#define XP_PLAIN(name) template <class T> struct name { typedef T type; }; \
  template <class T> struct name<const T> { typedef T type; }; \
  template <class T> struct name<T&> { typedef T type; }; \
  template <class T> struct name<const T&> { typedef T type; }; \
  template <class T> using name##_t = typename name<T>::type;
XP_PLAIN(remove_const) XP_PLAIN(remove_cv) XP_PLAIN(remove_reference) XP_PLAIN(remove_cvref) XP_PLAIN(decay)
using ::exp; using ::log; using ::sqrt; using ::fabs; using ::pow; using ::tanh; using ::sin; using ::cos; using ::floor; using ::ceil; using ::abs; using ::erf; using ::fmax; using ::fmin; using ::isnan; using ::isinf;
}
