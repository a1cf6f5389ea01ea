// What fills, conversions and the matrix unit do with numbers.
#pragma once

// The element type of a fill: that of the value. A double stands for the destination's own type
// where that is allowed at all.
template <class T, class V>
struct XpFilled {
  typedef V type;
};
template <class T>
struct XpFilled<T, double> {
  typedef T type;
};
template <>
struct XpFilled<void, double> {
  typedef float type;
};

template <class T>
XP_INLINE void xp_put(T* p, long long i, T value) {
  p[i] = value;
}
XP_INLINE void xp_put(int4x2_t* p, long long i, signed char value) {
  unsigned char& bits = p[i / 2].bits;
  bits = i % 2 ? (bits & 0x0f) | (value << 4) : (bits & 0xf0) | (value & 0x0f);
}

// Bits of the fraction with the leading one, and the exponents of the smallest normal number and of
// the first number that is too large.
template <class T>
struct XpFloat;
template <>
struct XpFloat<half> {
  enum { precision = 11, least = -14, beyond = 16 };
};
template <>
struct XpFloat<bfloat16> {
  enum { precision = 8, least = -126, beyond = 128 };
};
template <>
struct XpFloat<float> {
  enum { precision = 24, least = -126, beyond = 128 };
};

// `x` as a number of type T, rounded in units of the last place that T has there.
template <class T>
inline T xp_round_to(double x, double (*round)(double)) {
  if (x != x || x - x != 0 || x == 0) return T(x);
  int exponent;
  __builtin_frexp(x, &exponent);
  exponent = (exponent - 1 < XpFloat<T>::least ? XpFloat<T>::least : exponent - 1);
  const int unit = exponent - XpFloat<T>::precision + 1;
  const double bound = __builtin_ldexp(1, XpFloat<T>::beyond);
  if (x >= bound || x <= -bound) {
    // Rounding that does not go outwards ends at the largest number.
    const double once = round(x < 0 ? -1.75 : 1.75);
    const double most = bound - __builtin_ldexp(1, XpFloat<T>::beyond - XpFloat<T>::precision);
    const double kept = once == 1 || once == -1 ? most : bound;
    return T(x < 0 ? -kept : kept);
  }
  return T(__builtin_ldexp(round(__builtin_ldexp(x, -unit)), unit));
}

// Sums of integers are exact, all others are made in float.
template <class S, class W>
struct XpSum {
  typedef float type;
};
#define XP_SUM(S, W)       \
  template <>              \
  struct XpSum<S, W> {     \
    typedef long long type; \
  };
#define XP_SUMS(S) XP_SUM(S, int4x2_t) XP_SUM(S, signed char) XP_SUM(S, short) XP_SUM(S, int)
XP_SUMS(int4x2_t)
XP_SUMS(signed char)
XP_SUMS(short)
XP_SUMS(int)
#undef XP_SUMS
#undef XP_SUM

inline double xp_scaled(long long sum, int position) { return __builtin_ldexp((double)sum, position); }
inline float xp_scaled(float sum, int position) { return position ? __builtin_ldexpf(sum, position) : sum; }

// What follows the extents of a convolution: [fix_pos] [dilation_w, dilation_h [out_w, out_h]]. How
// many there are tells them apart.
enum { XP_NOT_GIVEN = -2147483647 - 1 };
struct XpTail {
  int fix_pos = 0, dilation_w = 1, dilation_h = 1, out_w = 1, out_h = 1;
  XpTail(int a, int b, int c, int d, int e) {
    const int given[] = {a, b, c, d, e, XP_NOT_GIVEN};
    int count = 0;
    while (given[count] != XP_NOT_GIVEN) ++count;
    const int* next = given;
    if (count % 2) fix_pos = *next++;
    if (count > 1) dilation_w = next[0], dilation_h = next[1];
    if (count > 3) out_w = next[2], out_h = next[3];
  }
};
