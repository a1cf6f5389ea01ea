// CUDA's and HIP's device language. `XP_WARP` is the number of lanes, `xp_mask` a lane mask.
#pragma once
#include "common.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
// Thread-local storage of the library is the block's shared memory: see `find_shared`.
#define __shared__ static __thread


struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
  dim3(uint3 other) : x(other.x), y(other.y), z(other.z) {}
  operator uint3() const { return {x, y, z}; }
};

static const int warpSize = XP_WARP;

template <class T>
struct XpSame {
  typedef T type;
};

// --- barriers and fences. The line of the call identifies a barrier, since a compiler may
// duplicate the call itself.
inline void __syncthreads(int site = __builtin_LINE()) {
  xp_barrier(site, 0, nullptr);
  __asm__ volatile("" ::: "memory");
}
inline int __syncthreads_count(int predicate, int site = __builtin_LINE()) {
  return xp_barrier(site, predicate, nullptr);
}
inline int __syncthreads_or(int predicate, int site = __builtin_LINE()) {
  return xp_barrier(site, predicate, nullptr) != 0;
}
inline int __syncthreads_and(int predicate, int site = __builtin_LINE()) {
  int total = 0;
  const int count = xp_barrier(site, predicate, &total);
  return count == total;
}
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline void __nanosleep(unsigned) {}

// --- warp collectives
inline unsigned long long xp_lanes(unsigned mask) {
  return XP_WARP == 64 && mask == ~0u ? ~0ull : mask;
}
inline unsigned long long xp_lanes(int mask) { return xp_lanes((unsigned)mask); }
inline unsigned long long xp_lanes(unsigned long mask) { return mask & XP_LANES; }
inline unsigned long long xp_lanes(unsigned long long mask) { return mask & XP_LANES; }
inline unsigned long long xp_lanes(long mask) { return mask & XP_LANES; }
inline unsigned long long xp_lanes(long long mask) { return mask & XP_LANES; }

// Where a lane reads. A lane outside its segment of `width` lanes reads itself.
inline int xp_source_idx(int lane, int width) {
  return ((int)xp_lane & ~(width - 1)) + (lane & (width - 1));
}
inline int xp_source_up(unsigned delta, int width) {
  const int source = (int)xp_lane - (int)delta;
  return source < ((int)xp_lane & ~(width - 1)) ? (int)xp_lane : source;
}
inline int xp_source_down(unsigned delta, int width) {
  return (xp_lane & (width - 1)) + delta >= (unsigned)width ? (int)xp_lane : (int)(xp_lane + delta);
}
inline int xp_source_xor(int bits, int width) {
  const int source = (int)xp_lane ^ bits;
  return source > ((int)xp_lane | (width - 1)) ? (int)xp_lane : source;
}

template <class T>
inline T xp_shuffle(unsigned long long mask, T value, int source, int site) {
  static_assert(sizeof(T) <= 16, "a shuffle moves at most 16 bytes");
  XpRecord* record = xp_collective(XP_SHUFFLE, mask, site, &value, sizeof value);
  __builtin_memcpy(&value, record->value[source], sizeof value);
  xp_collective_done(record);
  return value;
}

#define XP_SHUFFLE_FORMS(suffix, kind, type)                                                   \
  template <class M, class T>                                                                  \
  inline T __shfl##suffix##_sync(M mask, T value, type by, int width = XP_WARP,                \
                                 int site = __builtin_LINE()) {                                \
    return xp_shuffle(xp_lanes(mask), value, xp_source_##kind(by, width), site);               \
  }                                                                                            \
  template <class T>                                                                           \
  inline T __shfl##suffix(T value, type by, int width = XP_WARP, int site = __builtin_LINE()) { \
    return xp_shuffle(0, value, xp_source_##kind(by, width), site);                            \
  }
XP_SHUFFLE_FORMS(, idx, int)
XP_SHUFFLE_FORMS(_up, up, unsigned)
XP_SHUFFLE_FORMS(_down, down, unsigned)
XP_SHUFFLE_FORMS(_xor, xor, int)
#undef XP_SHUFFLE_FORMS

struct XpVote {
  unsigned long long lanes, yes;
};
inline XpVote xp_vote(unsigned long long mask, int predicate, int site) {
  XpRecord* record = xp_collective(XP_VOTE, mask, site, &predicate, sizeof predicate);
  XpVote vote = {record->arrived, 0};
  for (int lane = 0; lane < XP_WARP; ++lane) {
    int value;
    __builtin_memcpy(&value, record->value[lane], sizeof value);
    if ((vote.lanes >> lane & 1) && value) vote.yes |= 1ull << lane;
  }
  xp_collective_done(record);
  return vote;
}
template <class M>
inline xp_mask __ballot_sync(M mask, int predicate, int site = __builtin_LINE()) {
  return xp_vote(xp_lanes(mask), predicate, site).yes;
}
template <class M>
inline int __any_sync(M mask, int predicate, int site = __builtin_LINE()) {
  return xp_vote(xp_lanes(mask), predicate, site).yes != 0;
}
template <class M>
inline int __all_sync(M mask, int predicate, int site = __builtin_LINE()) {
  const XpVote vote = xp_vote(xp_lanes(mask), predicate, site);
  return vote.yes == vote.lanes;
}
inline xp_mask __ballot(int predicate, int site = __builtin_LINE()) {
  return xp_vote(0, predicate, site).yes;
}
inline int __any(int predicate, int site = __builtin_LINE()) {
  return xp_vote(0, predicate, site).yes != 0;
}
inline int __all(int predicate, int site = __builtin_LINE()) {
  const XpVote vote = xp_vote(0, predicate, site);
  return vote.yes == vote.lanes;
}
inline void xp_sync_lanes(unsigned long long mask, int site) {
  xp_collective_done(xp_collective(XP_SYNC, mask, site, nullptr, 0));
  __asm__ volatile("" ::: "memory");
}
inline void __syncwarp(xp_mask mask = XP_LANES, int site = __builtin_LINE()) {
  xp_sync_lanes(mask, site);
}
inline xp_mask __activemask(int site = __builtin_LINE()) {
  XpRecord* record = xp_collective(XP_ACTIVE, 0, site, nullptr, 0);
  const xp_mask lanes = record->arrived;
  xp_collective_done(record);
  return lanes;
}
template <class M, class T>
inline xp_mask __match_any_sync(M mask, T value, int site = __builtin_LINE()) {
  XpRecord* record = xp_collective(XP_MATCH, xp_lanes(mask), site, &value, sizeof value);
  xp_mask same = 0;
  for (int lane = 0; lane < XP_WARP; ++lane) {
    const bool equal = !__builtin_memcmp(record->value[lane], &value, sizeof value);
    if ((record->arrived >> lane & 1) && equal) same |= (xp_mask)1 << lane;
  }
  xp_collective_done(record);
  return same;
}
#define XP_REDUCE(name, type, combine)                                                         \
  inline type __reduce_##name##_sync(unsigned mask, type value, int site = __builtin_LINE()) {  \
    XpRecord* record = xp_collective(XP_SHUFFLE, mask, site, &value, sizeof value);            \
    bool first = true;                                                                         \
    type result = 0;                                                                           \
    for (int lane = 0; lane < XP_WARP; ++lane) {                                               \
      if (!(record->arrived >> lane & 1)) continue;                                            \
      type b;                                                                                  \
      __builtin_memcpy(&b, record->value[lane], sizeof b);                                     \
      const type a = result;                                                                   \
      result = first ? b : (combine);                                                          \
      first = false;                                                                           \
    }                                                                                          \
    xp_collective_done(record);                                                                \
    return result;                                                                             \
  }
XP_REDUCE(add, unsigned, a + b)
XP_REDUCE(add, int, a + b)
XP_REDUCE(min, unsigned, a < b ? a : b)
XP_REDUCE(min, int, a < b ? a : b)
XP_REDUCE(max, unsigned, a > b ? a : b)
XP_REDUCE(max, int, a > b ? a : b)
XP_REDUCE(and, unsigned, a & b)
XP_REDUCE(or, unsigned, a | b)
XP_REDUCE(xor, unsigned, a ^ b)
#undef XP_REDUCE

// --- atomics: threads are switched only where they wait, so a plain update is atomic
#define XP_ATOMIC(name, update)                                                                \
  template <class T>                                                                           \
  inline T name(T* address, typename XpSame<T>::type value) {                                  \
    const T old = *address;                                                                    \
    *address = (update);                                                                       \
    return old;                                                                                \
  }
XP_ATOMIC(atomicAdd, old + value)
XP_ATOMIC(atomicSub, old - value)
XP_ATOMIC(atomicExch, value)
XP_ATOMIC(atomicMin, value < old ? value : old)
XP_ATOMIC(atomicMax, value > old ? value : old)
XP_ATOMIC(atomicAnd, old & value)
XP_ATOMIC(atomicOr, old | value)
XP_ATOMIC(atomicXor, old ^ value)
XP_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
XP_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1)
#undef XP_ATOMIC
template <class T>
inline T atomicCAS(T* address, typename XpSame<T>::type compare, typename XpSame<T>::type value) {
  const T old = *address;
  if (old == compare) *address = value;
  return old;
}

// --- memory
template <class T>
inline T __ldg(const T* address) {
  return *address;
}
#define XP_LOAD(name)                 \
  template <class T>                  \
  inline T name(const T* address) {   \
    return *address;                  \
  }
XP_LOAD(__ldca)
XP_LOAD(__ldcg)
XP_LOAD(__ldcs)
XP_LOAD(__ldlu)
XP_LOAD(__ldcv)
#undef XP_LOAD
#define XP_STORE(name)                                             \
  template <class T>                                               \
  inline void name(T* address, typename XpSame<T>::type value) {   \
    *address = value;                                              \
  }
XP_STORE(__stwb)
XP_STORE(__stcg)
XP_STORE(__stcs)
XP_STORE(__stwt)
#undef XP_STORE

// --- arithmetic intrinsics. Rounding other than to nearest is not modelled.
#define XP_ROUNDED(suffix)                                                       \
  inline float __fadd_##suffix(float a, float b) { return a + b; }               \
  inline float __fsub_##suffix(float a, float b) { return a - b; }               \
  inline float __fmul_##suffix(float a, float b) { return a * b; }               \
  inline float __fdiv_##suffix(float a, float b) { return a / b; }               \
  inline float __frcp_##suffix(float a) { return 1.0f / a; }                     \
  inline double __dadd_##suffix(double a, double b) { return a + b; }            \
  inline double __dmul_##suffix(double a, double b) { return a * b; }            \
  inline double __ddiv_##suffix(double a, double b) { return a / b; }            \
  inline float __int2float_##suffix(int x) { return (float)x; }                  \
  inline float __uint2float_##suffix(unsigned x) { return (float)x; }            \
  inline float __double2float_##suffix(double x) { return (float)x; }            \
  inline half __float2half_##suffix(float x) { return (half)x; }
XP_ROUNDED(rn)
XP_ROUNDED(rz)
XP_ROUNDED(ru)
XP_ROUNDED(rd)
#undef XP_ROUNDED
#define XP_TO_INT(suffix, round)                                                              \
  inline int __float2int_##suffix(float x) { return (int)__builtin_##round##f(x); }           \
  inline unsigned __float2uint_##suffix(float x) { return (unsigned)__builtin_##round##f(x); } \
  inline long long __float2ll_##suffix(float x) { return (long long)__builtin_##round##f(x); } \
  inline int __double2int_##suffix(double x) { return (int)__builtin_##round(x); }            \
  inline int __half2int_##suffix(half x) { return (int)__builtin_##round##f(x); }
XP_TO_INT(rn, nearbyint)
XP_TO_INT(rz, trunc)
XP_TO_INT(ru, ceil)
XP_TO_INT(rd, floor)
#undef XP_TO_INT
inline float __fdividef(float a, float b) { return a / b; }
inline float __saturatef(float x) { return x < 0 ? 0 : x > 1 ? 1 : x == x ? x : 0; }
inline void __sincosf(float x, float* s, float* c) { sincosf(x, s, c); }
inline float fdividef(float a, float b) { return a / b; }
inline float normcdff(float x) { return 0.5f * __builtin_erfcf(-x * 0.70710678118654752f); }
inline float rcbrtf(float x) { return 1.0f / __builtin_cbrtf(x); }
inline float sinpif(float x) { return __builtin_sinf(x * 3.14159265358979f); }
inline float cospif(float x) { return __builtin_cosf(x * 3.14159265358979f); }
inline int __float_as_int(float x) { return xp_bits<int>(x); }
inline unsigned __float_as_uint(float x) { return xp_bits<unsigned>(x); }
inline float __int_as_float(int x) { return xp_bits<float>(x); }
inline float __uint_as_float(unsigned x) { return xp_bits<float>(x); }
inline long long __double_as_longlong(double x) { return xp_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return xp_bits<double>(x); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(unsigned long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
  unsigned y = 0;
  for (int i = 0; i < 32; ++i) y = y << 1 | (x >> i & 1);
  return y;
}
inline int __mul24(int a, int b) { return a * b; }
inline unsigned __umul24(unsigned a, unsigned b) { return a * b; }
inline int __mulhi(int a, int b) { return (long long)a * b >> 32; }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned long long)a * b >> 32; }
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  const unsigned long long bytes = (unsigned long long)b << 32 | a;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned nibble = selector >> 4 * i & 15, byte = bytes >> 8 * (nibble & 7) & 255;
    result |= (nibble & 8 ? (byte & 128 ? 255u : 0u) : byte) << 8 * i;
  }
  return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return ((unsigned long long)high << 32 | low) << (shift & 31) >> 32;
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return ((unsigned long long)high << 32 | low) >> (shift & 31);
}
// Four 8-bit products, summed into a 32-bit accumulator.
template <class E>
inline int xp_dot4(unsigned a, unsigned b, int c) {
  for (int i = 0; i < 4; ++i) c += (int)(E)(a >> 8 * i) * (int)(E)(b >> 8 * i);
  return c;
}
inline int __dp4a(int a, int b, int c) { return xp_dot4<signed char>(a, b, c); }
inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
  return xp_dot4<unsigned char>(a, b, c);
}
inline int __dp4a(char4 a, char4 b, int c) {
  return c + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
}
inline long long clock64() { return 0; }
inline int clock() { return 0; }

// --- half and bfloat16
typedef half __half;
struct half2 {
  half x, y;
  half2() = default;
  half2(half x, half y) : x(x), y(y) {}
};
typedef half2 __half2;
inline half2 make_half2(half x, half y) { return {x, y}; }
inline float __half2float(half x) { return (float)x; }
inline half __float2half(float x) { return (half)x; }
inline half __double2half(double x) { return (half)x; }
inline half __int2half_rn(int x) { return (half)x; }
inline half __uint2half_rn(unsigned x) { return (half)x; }
inline half __ushort_as_half(unsigned short x) { return xp_bits<half>(x); }
inline half __short_as_half(short x) { return xp_bits<half>(x); }
inline unsigned short __half_as_ushort(half x) { return xp_bits<unsigned short>(x); }
inline short __half_as_short(half x) { return xp_bits<short>(x); }

typedef bfloat16 __nv_bfloat16;
typedef bfloat16 nv_bfloat16;
typedef bfloat16 __hip_bfloat16;
typedef bfloat16 hip_bfloat16;
inline float __bfloat162float(bfloat16 x) { return (float)x; }
inline bfloat16 __float2bfloat16(float x) { return bfloat16(x); }
inline bfloat16 __float2bfloat16_rn(float x) { return bfloat16(x); }
struct __nv_bfloat162 {
  bfloat16 x, y;
  __nv_bfloat162() = default;
  __nv_bfloat162(bfloat16 x, bfloat16 y) : x(x), y(y) {}
};
typedef __nv_bfloat162 nv_bfloat162;

// The same names for both sixteen-bit types; every operation rounds once.
#define XP_SIXTEEN(T)                                                            \
  inline T __hadd(T a, T b) { return T((float)a + (float)b); }                   \
  inline T __hsub(T a, T b) { return T((float)a - (float)b); }                   \
  inline T __hmul(T a, T b) { return T((float)a * (float)b); }                   \
  inline T __hdiv(T a, T b) { return T((float)a / (float)b); }                   \
  inline T __hfma(T a, T b, T c) {                                               \
    return T(__builtin_fmaf((float)a, (float)b, (float)c));                      \
  }                                                                              \
  inline T __hneg(T a) { return T(-(float)a); }                                  \
  inline T __habs(T a) { return T(__builtin_fabsf((float)a)); }                  \
  inline T __hmax(T a, T b) { return T(__builtin_fmaxf((float)a, (float)b)); }   \
  inline T __hmin(T a, T b) { return T(__builtin_fminf((float)a, (float)b)); }   \
  inline bool __heq(T a, T b) { return (float)a == (float)b; }                   \
  inline bool __hne(T a, T b) { return (float)a != (float)b; }                   \
  inline bool __hlt(T a, T b) { return (float)a < (float)b; }                    \
  inline bool __hle(T a, T b) { return (float)a <= (float)b; }                   \
  inline bool __hgt(T a, T b) { return (float)a > (float)b; }                    \
  inline bool __hge(T a, T b) { return (float)a >= (float)b; }                   \
  inline bool __hisnan(T a) { return __builtin_isnan((float)a); }                \
  inline int __hisinf(T a) { return __builtin_isinf((float)a); }                 \
  inline T hexp(T x) { return T(__builtin_expf((float)x)); }                     \
  inline T hexp2(T x) { return T(__builtin_exp2f((float)x)); }                   \
  inline T hexp10(T x) { return T(__builtin_powf(10.0f, (float)x)); }            \
  inline T hlog(T x) { return T(__builtin_logf((float)x)); }                     \
  inline T hlog2(T x) { return T(__builtin_log2f((float)x)); }                   \
  inline T hlog10(T x) { return T(__builtin_log10f((float)x)); }                 \
  inline T hsqrt(T x) { return T(__builtin_sqrtf((float)x)); }                   \
  inline T hrsqrt(T x) { return T(1.0f / __builtin_sqrtf((float)x)); }           \
  inline T hrcp(T x) { return T(1.0f / (float)x); }                              \
  inline T hsin(T x) { return T(__builtin_sinf((float)x)); }                     \
  inline T hcos(T x) { return T(__builtin_cosf((float)x)); }                     \
  inline T htanh(T x) { return T(__builtin_tanhf((float)x)); }                   \
  inline T hfloor(T x) { return T(__builtin_floorf((float)x)); }                 \
  inline T hceil(T x) { return T(__builtin_ceilf((float)x)); }                   \
  inline T htrunc(T x) { return T(__builtin_truncf((float)x)); }                 \
  inline T hrint(T x) { return T(__builtin_rintf((float)x)); }
XP_SIXTEEN(half)
XP_SIXTEEN(bfloat16)
#undef XP_SIXTEEN
#define XP_PAIR(T2)                                                                        \
  inline T2 __hadd2(T2 a, T2 b) { return {__hadd(a.x, b.x), __hadd(a.y, b.y)}; }           \
  inline T2 __hsub2(T2 a, T2 b) { return {__hsub(a.x, b.x), __hsub(a.y, b.y)}; }           \
  inline T2 __hmul2(T2 a, T2 b) { return {__hmul(a.x, b.x), __hmul(a.y, b.y)}; }           \
  inline T2 __h2div(T2 a, T2 b) { return {__hdiv(a.x, b.x), __hdiv(a.y, b.y)}; }           \
  inline T2 __hfma2(T2 a, T2 b, T2 c) {                                                    \
    return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)};                                 \
  }                                                                                        \
  inline T2 __hmax2(T2 a, T2 b) { return {__hmax(a.x, b.x), __hmax(a.y, b.y)}; }           \
  inline T2 __hmin2(T2 a, T2 b) { return {__hmin(a.x, b.x), __hmin(a.y, b.y)}; }           \
  inline T2 __hneg2(T2 a) { return {__hneg(a.x), __hneg(a.y)}; }                           \
  inline T2 h2exp(T2 a) { return {hexp(a.x), hexp(a.y)}; }                                 \
  inline T2 operator+(T2 a, T2 b) { return __hadd2(a, b); }                                \
  inline T2 operator-(T2 a, T2 b) { return __hsub2(a, b); }                                \
  inline T2 operator*(T2 a, T2 b) { return __hmul2(a, b); }                                \
  inline T2 operator/(T2 a, T2 b) { return __h2div(a, b); }                                \
  inline T2& operator+=(T2& a, T2 b) { return a = __hadd2(a, b); }
XP_PAIR(half2)
XP_PAIR(__nv_bfloat162)
#undef XP_PAIR
inline half2 __float2half2_rn(float x) { return {(half)x, (half)x}; }
inline half2 __floats2half2_rn(float x, float y) { return {(half)x, (half)y}; }
inline half2 __float22half2_rn(float2 v) { return {(half)v.x, (half)v.y}; }
inline float2 __half22float2(half2 v) { return {(float)v.x, (float)v.y}; }
inline half2 __half2half2(half x) { return {x, x}; }
inline half2 __halves2half2(half x, half y) { return {x, y}; }
inline half __low2half(half2 v) { return v.x; }
inline half __high2half(half2 v) { return v.y; }
inline float __low2float(half2 v) { return (float)v.x; }
inline float __high2float(half2 v) { return (float)v.y; }
inline half2 __low2half2(half2 v) { return {v.x, v.x}; }
inline half2 __high2half2(half2 v) { return {v.y, v.y}; }
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {bfloat16(x), bfloat16(y)}; }
