// Arithmetic on the bytes (`4`) and 16-bit halves (`2`) of a 32-bit word.
#pragma once
#include "common.h"

// The parts are computed as int and stored modulo their size. A comparison fills its part with ones.
template <class E, class Step>
inline unsigned xp_packed(unsigned a, unsigned b, Step step) {
  enum { BITS = 8 * sizeof(E) };
  unsigned result = 0;
  for (int at = 0; at < 32; at += BITS) {
    const unsigned part = step((int)(E)(a >> at), (int)(E)(b >> at));
    result |= (part & ((1u << BITS) - 1)) << at;
  }
  return result;
}
inline int xp_clamp(int x, int low, int high) { return x < low ? low : x > high ? high : x; }

#define XP_PACKED(name, E, value)                                                         \
  inline unsigned name(unsigned x, unsigned y) {                                          \
    return xp_packed<E>(x, y, [](int a, int b) -> unsigned { return value; });            \
  }
#define XP_PACKED_ONE(name, E, value)                                                     \
  inline unsigned name(unsigned x) {                                                      \
    return xp_packed<E>(x, x, [](int a, int) -> unsigned { return value; });              \
  }
#define XP_PACKED_ALL(n, S, U, LOW, HIGH, MOST)                                           \
  XP_PACKED(__vadd##n, U, a + b)                                                          \
  XP_PACKED(__vsub##n, U, a - b)                                                          \
  XP_PACKED(__vaddss##n, S, xp_clamp(a + b, LOW, HIGH))                                   \
  XP_PACKED(__vsubss##n, S, xp_clamp(a - b, LOW, HIGH))                                   \
  XP_PACKED(__vaddus##n, U, xp_clamp(a + b, 0, MOST))                                     \
  XP_PACKED(__vsubus##n, U, xp_clamp(a - b, 0, MOST))                                     \
  XP_PACKED(__vavgs##n, S, (a + b + (a + b >= 0)) >> 1)                                   \
  XP_PACKED(__vavgu##n, U, (a + b + 1) >> 1)                                              \
  XP_PACKED(__vhaddu##n, U, (a + b) >> 1)                                                 \
  XP_PACKED(__vabsdiffs##n, S, a > b ? a - b : b - a)                                     \
  XP_PACKED(__vabsdiffu##n, U, a > b ? a - b : b - a)                                     \
  XP_PACKED(__vmaxs##n, S, a > b ? a : b)                                                 \
  XP_PACKED(__vmaxu##n, U, a > b ? a : b)                                                 \
  XP_PACKED(__vmins##n, S, a < b ? a : b)                                                 \
  XP_PACKED(__vminu##n, U, a < b ? a : b)                                                 \
  XP_PACKED(__vcmpeq##n, U, a == b ? ~0u : 0)                                             \
  XP_PACKED(__vcmpne##n, U, a != b ? ~0u : 0)                                             \
  XP_PACKED(__vcmpgts##n, S, a > b ? ~0u : 0)                                             \
  XP_PACKED(__vcmpgtu##n, U, a > b ? ~0u : 0)                                             \
  XP_PACKED(__vcmpges##n, S, a >= b ? ~0u : 0)                                            \
  XP_PACKED(__vcmpgeu##n, U, a >= b ? ~0u : 0)                                            \
  XP_PACKED(__vcmplts##n, S, a < b ? ~0u : 0)                                             \
  XP_PACKED(__vcmpltu##n, U, a < b ? ~0u : 0)                                             \
  XP_PACKED(__vcmples##n, S, a <= b ? ~0u : 0)                                            \
  XP_PACKED(__vcmpleu##n, U, a <= b ? ~0u : 0)                                            \
  XP_PACKED(__vseteq##n, U, a == b)                                                       \
  XP_PACKED(__vsetne##n, U, a != b)                                                       \
  XP_PACKED(__vsetgts##n, S, a > b)                                                       \
  XP_PACKED(__vsetgtu##n, U, a > b)                                                       \
  XP_PACKED(__vsetges##n, S, a >= b)                                                      \
  XP_PACKED(__vsetgeu##n, U, a >= b)                                                      \
  XP_PACKED(__vsetlts##n, S, a < b)                                                       \
  XP_PACKED(__vsetltu##n, U, a < b)                                                       \
  XP_PACKED(__vsetles##n, S, a <= b)                                                      \
  XP_PACKED(__vsetleu##n, U, a <= b)                                                      \
  XP_PACKED_ONE(__vneg##n, U, -a)                                                         \
  XP_PACKED_ONE(__vnegss##n, S, xp_clamp(-a, LOW, HIGH))                                  \
  XP_PACKED_ONE(__vabs##n, S, a < 0 ? -a : a)                                             \
  XP_PACKED_ONE(__vabsss##n, S, xp_clamp(a < 0 ? -a : a, LOW, HIGH))
XP_PACKED_ALL(4, signed char, unsigned char, -128, 127, 255)
XP_PACKED_ALL(2, short, unsigned short, -32768, 32767, 65535)
#undef XP_PACKED_ALL
#undef XP_PACKED_ONE
#undef XP_PACKED

// Sums of the parts' absolute differences.
template <class E>
inline unsigned xp_packed_sad(unsigned a, unsigned b) {
  unsigned sum = 0;
  for (int at = 0; at < 32; at += 8 * sizeof(E)) {
    const int left = (E)(a >> at), right = (E)(b >> at);
    sum += left > right ? left - right : right - left;
  }
  return sum;
}
inline unsigned __vsads4(unsigned a, unsigned b) { return xp_packed_sad<signed char>(a, b); }
inline unsigned __vsadu4(unsigned a, unsigned b) { return xp_packed_sad<unsigned char>(a, b); }
inline unsigned __vsads2(unsigned a, unsigned b) { return xp_packed_sad<short>(a, b); }
inline unsigned __vsadu2(unsigned a, unsigned b) { return xp_packed_sad<unsigned short>(a, b); }
