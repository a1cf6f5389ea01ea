// Integer intrinsics: bits, bytes, products, packed arithmetic.
#pragma once
#include "common.h"

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned long long __brevll(unsigned long long x) {
  unsigned long long y = 0;
  for (int i = 0; i < 64; ++i) y = y << 1 | (x >> i & 1);
  return y;
}
inline unsigned __brev(unsigned x) { return __brevll(x) >> 32; }
// The position of the n-th set bit counted from `base`; downwards where `n` is negative.
inline unsigned __fns(unsigned mask, unsigned base, int n) {
  const int step = n < 0 ? -1 : 1;
  if (n == 0) return mask >> (base & 31) & 1 ? base : ~0u;
  for (int at = (int)base; at >= 0 && at < 32; at += step) {
    if ((mask >> at & 1) && (n -= step) == 0) return at;
  }
  return ~0u;
}

// Products of the low 24 bits, and the upper halves of full products.
inline int __mul24(int a, int b) { return (a << 8 >> 8) * (b << 8 >> 8); }
inline unsigned __umul24(unsigned a, unsigned b) { return (a & 0xffffff) * (b & 0xffffff); }
inline int __mulhi(int a, int b) { return (long long)a * b >> 32; }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned long long)a * b >> 32; }
inline long long __mul64hi(long long a, long long b) { return (__int128)a * b >> 64; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned __int128)a * b >> 64;
}
inline int mulhi(int a, int b) { return __mulhi(a, b); }
inline unsigned mulhi(unsigned a, unsigned b) { return __umulhi(a, b); }
inline int mul24(int a, int b) { return __mul24(a, b); }
inline unsigned umul24(unsigned a, unsigned b) { return __umul24(a, b); }

// Means without overflow, and sums of absolute differences.
inline int __hadd(int a, int b) { return ((long long)a + b) >> 1; }
inline int __rhadd(int a, int b) { return ((long long)a + b + 1) >> 1; }
inline unsigned __uhadd(unsigned a, unsigned b) { return ((unsigned long long)a + b) >> 1; }
inline unsigned __urhadd(unsigned a, unsigned b) { return ((unsigned long long)a + b + 1) >> 1; }
inline unsigned __sad(int a, int b, unsigned c) {
  return c + (a > b ? (unsigned)a - (unsigned)b : (unsigned)b - (unsigned)a);
}
inline unsigned __usad(unsigned a, unsigned b, unsigned c) { return c + (a > b ? a - b : b - a); }

// Byte i of the result is byte (nibble i of the selector) of b:a, or its sign where the nibble's
// upper bit is set.
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  const unsigned long long bytes = (unsigned long long)b << 32 | a;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned nibble = selector >> 4 * i & 15, byte = bytes >> 8 * (nibble & 7) & 255;
    result |= (nibble & 8 ? (byte & 128 ? 255u : 0u) : byte) << 8 * i;
  }
  return result;
}
// high:low shifted by `shift` bits, modulo 32 or (`c`) at most 32.
inline unsigned xp_funnel_left(unsigned low, unsigned high, unsigned shift) {
  return ((unsigned long long)high << 32 | low) << shift >> 32;
}
inline unsigned xp_funnel_right(unsigned low, unsigned high, unsigned shift) {
  return ((unsigned long long)high << 32 | low) >> shift;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return xp_funnel_left(low, high, shift & 31);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return xp_funnel_right(low, high, shift & 31);
}
inline unsigned __funnelshift_lc(unsigned low, unsigned high, unsigned shift) {
  return xp_funnel_left(low, high, shift < 32 ? shift : 32);
}
inline unsigned __funnelshift_rc(unsigned low, unsigned high, unsigned shift) {
  return xp_funnel_right(low, high, shift < 32 ? shift : 32);
}

// Packed products, summed into a 32-bit accumulator: four of bytes, two of a 16-bit half by a byte.
template <class A, class B>
inline unsigned xp_dot4(unsigned a, unsigned b, unsigned c) {
  for (int i = 0; i < 4; ++i) c += (int)(A)(a >> 8 * i) * (int)(B)(b >> 8 * i);
  return c;
}
template <class A, class B>
inline unsigned xp_dot2(unsigned a, unsigned b, unsigned c) {
  for (int i = 0; i < 2; ++i) c += (int)(A)(a >> 16 * i) * (int)(B)(b >> 8 * i);
  return c;
}
inline int __dp4a(int a, int b, int c) { return xp_dot4<signed char, signed char>(a, b, c); }
inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
  return xp_dot4<unsigned char, unsigned char>(a, b, c);
}
inline int __dp4a(char4 a, char4 b, int c) {
  return __dp4a(xp_bits<int>(a), xp_bits<int>(b), c);
}
inline unsigned __dp4a(uchar4 a, uchar4 b, unsigned c) {
  return __dp4a(xp_bits<unsigned>(a), xp_bits<unsigned>(b), c);
}
#define XP_DP2A(suffix, shift)                                                          \
  inline int __dp2a_##suffix(int a, int b, int c) {                                     \
    return xp_dot2<short, signed char>(a, (unsigned)b >> shift, c);                     \
  }                                                                                     \
  inline unsigned __dp2a_##suffix(unsigned a, unsigned b, unsigned c) {                 \
    return xp_dot2<unsigned short, unsigned char>(a, b >> shift, c);                    \
  }                                                                                     \
  inline int __dp2a_##suffix(short2 a, char4 b, int c) {                                \
    return __dp2a_##suffix(xp_bits<int>(a), xp_bits<int>(b), c);                        \
  }                                                                                     \
  inline unsigned __dp2a_##suffix(ushort2 a, uchar4 b, unsigned c) {                    \
    return __dp2a_##suffix(xp_bits<unsigned>(a), xp_bits<unsigned>(b), c);              \
  }
XP_DP2A(lo, 0)
XP_DP2A(hi, 16)
#undef XP_DP2A
