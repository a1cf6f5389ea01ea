// Clang's builtins for AMD's processors. Which lane is read is stated in `dialects.warp` too.
#pragma once
#include "half.h"

// --- ids, barriers, hints
#define XP_IDS(d)                                                                     \
  inline unsigned __builtin_amdgcn_workitem_id_##d() { return threadIdx.d; }          \
  inline unsigned __builtin_amdgcn_workgroup_id_##d() { return blockIdx.d; }          \
  inline unsigned __builtin_amdgcn_workgroup_size_##d() { return blockDim.d; }        \
  inline unsigned __builtin_amdgcn_grid_size_##d() { return blockDim.d * gridDim.d; }
XP_IDS(x)
XP_IDS(y)
XP_IDS(z)
#undef XP_IDS
inline unsigned __builtin_amdgcn_wavefrontsize() { return XP_WARP; }
inline void __builtin_amdgcn_s_barrier(int site = __builtin_LINE()) { __syncthreads(site); }
// The lanes of a wave run in lockstep; here they wait for those that are active with them.
inline void __builtin_amdgcn_wave_barrier(int site = __builtin_LINE()) { xp_sync_lanes(0, site); }
template <class... T>
inline void __builtin_amdgcn_fence(T...) {
  xp_fence();
}
#define XP_HINT(name) \
  template <class... T> \
  inline void __builtin_amdgcn_##name(T...) {}
XP_HINT(s_waitcnt)
XP_HINT(s_setprio)
XP_HINT(s_sleep)
XP_HINT(sched_barrier)
XP_HINT(sched_group_barrier)
XP_HINT(iglp_opt)
XP_HINT(s_nop)
XP_HINT(s_inst_prefetch)
#undef XP_HINT

// --- lanes. A lane that is not active has no value.
#define XP_LANE_OF(name, lane_of)                                                      \
  inline int __builtin_amdgcn_##name {                                                 \
    XpRecord* record = xp_collective(XP_SHUFFLE, 0, site, &value, sizeof value);       \
    const unsigned long long active = record->arrived;                                 \
    const int source = (lane_of) & (XP_WARP - 1);                                      \
    __builtin_memcpy(&value, record->value[source], sizeof value);                     \
    xp_collective_done(record);                                                        \
    return value;                                                                      \
  }
XP_LANE_OF(readfirstlane(int value, int site = __builtin_LINE()), __builtin_ctzll(active))
XP_LANE_OF(readlane(int value, int lane, int site = __builtin_LINE()), lane)
// Lanes that take no part give zero.
inline int xp_pull(int value, int source, int site) {
  XpRecord* record = xp_collective(XP_SHUFFLE, 0, site, &value, sizeof value);
  int result = 0;
  if (record->arrived >> source & 1) __builtin_memcpy(&result, record->value[source], 4);
  xp_collective_done(record);
  return result;
}
#undef XP_LANE_OF
inline int __builtin_amdgcn_ds_bpermute(int address, int value, int site = __builtin_LINE()) {
  return xp_pull(value, address >> 2 & (XP_WARP - 1), site);
}
// Each lane sends its value to another one; of several the highest lane wins.
inline int __builtin_amdgcn_ds_permute(int address, int value, int site = __builtin_LINE()) {
  struct {
    int to, value;
  } mine = {address >> 2 & (XP_WARP - 1), value}, sent;
  XpRecord* record = xp_collective(XP_SHUFFLE, 0, site, &mine, sizeof mine);
  int result = 0;
  for (int lane = 0; lane < XP_WARP; ++lane) {
    if (!(record->arrived >> lane & 1)) continue;
    __builtin_memcpy(&sent, record->value[lane], sizeof sent);
    if (sent.to == (int)xp_lane) result = sent.value;
  }
  xp_collective_done(record);
  return result;
}
inline int xp_swizzle_source(int pattern) {
  const int lane = xp_lane;
  if (pattern & 0x8000) return (lane & ~3) + (pattern >> 2 * (lane & 3) & 3);
  const int keep = pattern & 31, set = pattern >> 5 & 31, flip = pattern >> 10 & 31;
  return (lane & ~31) + (((lane & 31 & keep) | set) ^ flip);
}
inline int __builtin_amdgcn_ds_swizzle(int value, int pattern, int site = __builtin_LINE()) {
  return xp_pull(value, xp_swizzle_source(pattern), site);
}
// The lane that a DPP control reads, -1 where there is none.
inline int xp_dpp_source(int control, int site) {
  const int lane = xp_lane, place = lane & 15, row = lane & ~15, amount = control & 15;
  if (control >= 0 && control <= 0xff) return (lane & ~3) + (control >> 2 * (lane & 3) & 3);
  if (amount && control >> 4 == 0x10) return place + amount < 16 ? lane + amount : -1;
  if (amount && control >> 4 == 0x11) return place >= amount ? lane - amount : -1;
  if (amount && control >> 4 == 0x12) return row + ((place - amount) & 15);
  if (control >> 4 == 0x15) return row + amount;
  if (XP_WARP == 32 && control >> 4 == 0x16) return lane ^ amount;
  // What crosses rows is gone from RDNA.
  switch (XP_WARP == 32 && control != 0x140 && control != 0x141 ? 0 : control) {
    case 0x130: return lane + 1 < XP_WARP ? lane + 1 : -1;
    case 0x134: return (lane + 1) & (XP_WARP - 1);
    case 0x138: return lane - 1;
    case 0x13c: return (lane - 1) & (XP_WARP - 1);
    case 0x140: return row + 15 - place;
    case 0x141: return lane ^ 7;
    case 0x142: return row - 1;
    case 0x143: return lane >= 32 ? 31 : -1;
  }
  xp_fail(5011, site, "the device has no DPP control %#x", control);
}
// Rows and groups of four lanes (banks) outside their masks keep `old`; so does a lane that reads
// none or an inactive one, unless it is to get zero.
template <class T>
inline T __builtin_amdgcn_update_dpp(T old, T value, int control, int rows, int banks, bool zero,
                                     int site = __builtin_LINE()) {
  const int source = xp_dpp_source(control, site);
  XpRecord* record = xp_collective(XP_SHUFFLE, 0, site, &value, sizeof value);
  const bool there = source >= 0 && (record->arrived >> source & 1);
  const bool written = (rows >> (xp_lane >> 4 & 3) & 1) && (banks >> (xp_lane >> 2 & 3) & 1);
  T result = old;
  if (written && there) __builtin_memcpy(&result, record->value[source], sizeof result);
  if (written && !there && zero) result = T();
  xp_collective_done(record);
  return result;
}
template <class T>
inline T __builtin_amdgcn_mov_dpp(T value, int control, int rows, int banks, bool zero,
                                  int site = __builtin_LINE()) {
  return __builtin_amdgcn_update_dpp(T(), value, control, rows, banks, zero, site);
}
inline unsigned __builtin_amdgcn_mbcnt_lo(unsigned mask, unsigned base) {
  const unsigned below = xp_lane < 32 ? (1u << xp_lane) - 1 : ~0u;
  return base + __builtin_popcount(mask & below);
}
inline unsigned __builtin_amdgcn_mbcnt_hi(unsigned mask, unsigned base) {
  const unsigned below = xp_lane > 32 ? (1u << (xp_lane - 32)) - 1 : 0;
  return base + __builtin_popcount(mask & below);
}
inline unsigned long long __builtin_amdgcn_ballot_w64(bool yes, int site = __builtin_LINE()) {
  return xp_vote(0, yes, site).yes;
}
inline unsigned __builtin_amdgcn_ballot_w32(bool yes, int site = __builtin_LINE()) {
  if (XP_WARP != 32) xp_fail(5011, site, "ballot_w32 on a device whose waves have 64 lanes");
  return xp_vote(0, yes, site).yes;
}
inline unsigned long long __builtin_amdgcn_read_exec(int site = __builtin_LINE()) {
  return __activemask(site);
}
inline unsigned __builtin_amdgcn_read_exec_lo(int site = __builtin_LINE()) {
  return (unsigned)__activemask(site);
}
inline unsigned __builtin_amdgcn_read_exec_hi(int site = __builtin_LINE()) {
  return (unsigned)(__activemask(site) >> 32);
}

// --- arithmetic
inline float __builtin_amdgcn_rcpf(float x) { return 1 / x; }
inline double __builtin_amdgcn_rcp(double x) { return 1 / x; }
inline float __builtin_amdgcn_rsqf(float x) { return 1 / __builtin_sqrtf(x); }
inline double __builtin_amdgcn_rsq(double x) { return 1 / __builtin_sqrt(x); }
inline float __builtin_amdgcn_sqrtf(float x) { return __builtin_sqrtf(x); }
inline float __builtin_amdgcn_exp2f(float x) { return __builtin_exp2f(x); }
inline float __builtin_amdgcn_logf(float x) { return __builtin_log2f(x); }  // of base 2
// The argument is in turns.
inline float __builtin_amdgcn_sinf(float x) { return __builtin_sin(x * 2 * M_PI); }
inline float __builtin_amdgcn_cosf(float x) { return __builtin_cos(x * 2 * M_PI); }
inline float __builtin_amdgcn_fractf(float x) { return x - __builtin_floorf(x); }
inline float __builtin_amdgcn_fmed3f(float a, float b, float c) {
  const float low = __builtin_fminf(a, b), high = __builtin_fmaxf(a, b);
  return __builtin_fmaxf(low, __builtin_fminf(high, c));
}
inline float __builtin_amdgcn_ldexpf(float x, int e) { return __builtin_ldexpf(x, e); }

typedef half XpHalf2 __attribute__((vector_size(4)));
inline float __builtin_amdgcn_fdot2(XpHalf2 a, XpHalf2 b, float c, bool clamp) {
  const double sum = (double)(float)a[0] * (float)b[0] + (double)(float)a[1] * (float)b[1] + c;
  return clamp ? xp_saturate(sum) : (float)sum;
}
// Sums wrap, or (`clamp`) stop at the ends of the range.
template <class I, int BITS>
inline long long xp_dot(unsigned a, unsigned b, I c) {
  long long sum = c;
  for (int at = 0; at < 32; at += BITS) {
    const I left = (I)(a << (32 - BITS - at)) >> (32 - BITS);
    const I right = (I)(b << (32 - BITS - at)) >> (32 - BITS);
    sum += (long long)left * right;
  }
  return sum;
}
inline int xp_clamped(long long sum, bool clamp, int) {
  return clamp ? sum > 0x7fffffff ? 0x7fffffff : sum < -0x7fffffff - 1 ? -0x7fffffff - 1 : sum : sum;
}
inline unsigned xp_clamped(long long sum, bool clamp, unsigned) {
  return clamp && sum > 0xffffffffll ? 0xffffffffu : sum;
}
#define XP_DOT(name, I, BITS)                                                          \
  inline I __builtin_amdgcn_##name(I a, I b, I c, bool clamp) {                        \
    return xp_clamped(xp_dot<I, BITS>(a, b, c), clamp, I());                           \
  }
XP_DOT(sdot4, int, 8)
XP_DOT(udot4, unsigned, 8)
XP_DOT(sdot8, int, 4)
XP_DOT(udot8, unsigned, 4)
#undef XP_DOT

// Byte i of the result is byte (selector byte i) of a:b, where b has the low four; from 8 on a sign
// repeated, 12 zero, above ones.
inline unsigned __builtin_amdgcn_perm(unsigned a, unsigned b, unsigned selector) {
  const unsigned long long bytes = (unsigned long long)a << 32 | b;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned select = selector >> 8 * i & 255;
    unsigned byte = bytes >> 8 * (select & 7) & 255;
    if (select > 12) byte = 255;
    else if (select == 12) byte = 0;
    else if (select >= 8) byte = bytes >> (16 * (select - 8) + 15) & 1 ? 255 : 0;
    result |= byte << 8 * i;
  }
  return result;
}
inline unsigned __builtin_amdgcn_alignbit(unsigned high, unsigned low, unsigned shift) {
  return __funnelshift_r(low, high, shift);
}
inline unsigned __builtin_amdgcn_alignbyte(unsigned high, unsigned low, unsigned shift) {
  return __funnelshift_r(low, high, 8 * (shift & 3));
}
inline unsigned __builtin_amdgcn_ubfe(unsigned x, unsigned offset, unsigned width) {
  return x >> (offset & 31) & ((1u << (width & 31)) - 1);
}
inline int __builtin_amdgcn_sbfe(int x, unsigned offset, unsigned width) {
  const unsigned bits = __builtin_amdgcn_ubfe(x, offset, width), kept = 32 - (width & 31);
  return kept == 32 ? 0 : (int)(bits << kept) >> kept;
}
inline XpHalf2 __builtin_amdgcn_cvt_pkrtz(float a, float b) {
  return XpHalf2{xp_sixteen<half>(a, XP_RZ), xp_sixteen<half>(b, XP_RZ)};
}
inline float __builtin_amdgcn_cvt_f32_ubyte0(unsigned x) { return x & 255; }
inline float __builtin_amdgcn_cvt_f32_ubyte1(unsigned x) { return x >> 8 & 255; }
inline float __builtin_amdgcn_cvt_f32_ubyte2(unsigned x) { return x >> 16 & 255; }
inline float __builtin_amdgcn_cvt_f32_ubyte3(unsigned x) { return x >> 24; }
inline unsigned __builtin_amdgcn_sad_u8(unsigned a, unsigned b, unsigned c) {
  for (int at = 0; at < 32; at += 8) c = __usad(a >> at & 255, b >> at & 255, c);
  return c;
}
