// What the lanes of a warp do together: shuffles, votes, matches, reductions. `XP_WARP` is the number
// of lanes, `xp_mask` a lane mask. The forms without `_sync` are for the lanes that are active.
#pragma once
#include "common.h"

inline unsigned long long xp_lanes(unsigned mask) {
  return XP_WARP == 64 && mask == ~0u ? ~0ull : mask;
}
inline unsigned long long xp_lanes(int mask) { return xp_lanes((unsigned)mask); }
inline unsigned long long xp_lanes(unsigned long mask) { return mask & XP_LANES; }
inline unsigned long long xp_lanes(unsigned long long mask) { return mask & XP_LANES; }
inline unsigned long long xp_lanes(long mask) { return mask & XP_LANES; }
inline unsigned long long xp_lanes(long long mask) { return mask & XP_LANES; }

// Where a lane reads; `dialects.warp.shuffle_source` says the same. A lane outside its segment of
// `width` lanes reads itself.
inline int xp_source_idx(int lane, int width) {
  return ((int)xp_lane & ~(width - 1)) + (lane & (width - 1));
}
inline int xp_source_up(unsigned delta, int width) {
  return (xp_lane & (width - 1)) < delta ? (int)xp_lane : (int)(xp_lane - delta);
}
inline int xp_source_down(unsigned delta, int width) {
  const unsigned place = xp_lane & (width - 1);
  return delta >= (unsigned)width - place ? (int)xp_lane : (int)(xp_lane + delta);
}
inline int xp_source_xor(int bits, int width) {
  const int source = (int)xp_lane ^ bits;
  return source > ((int)xp_lane | (width - 1)) ? (int)xp_lane : source;
}

// What lane `source` has in `value`. A record holds 16 bytes a lane; more go in parts.
template <class T>
inline T xp_shuffle(unsigned long long mask, T value, int source, int site) {
  static_assert(__is_trivially_copyable(T), "a shuffle moves plain bytes");
  enum { PART = 16 };
  unsigned char bytes[sizeof(T)];
  __builtin_memcpy(bytes, &value, sizeof bytes);
  for (unsigned at = 0; at < sizeof bytes; at += PART) {
    const unsigned count = sizeof bytes - at < PART ? sizeof bytes - at : PART;
    XpRecord* record = xp_collective(XP_SHUFFLE, mask, site, bytes + at, count);
    __builtin_memcpy(bytes + at, record->value[source & (XP_WARP - 1)], count);
    xp_collective_done(record);
  }
  __builtin_memcpy(&value, bytes, sizeof bytes);
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
template <class M>
inline int __uni_sync(M mask, int predicate, int site = __builtin_LINE()) {
  const XpVote vote = xp_vote(xp_lanes(mask), predicate, site);
  return vote.yes == vote.lanes || !vote.yes;
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

struct XpMatch {
  unsigned long long lanes, same;  // those that took part, and those with this lane's value
};
template <class T>
inline XpMatch xp_match(unsigned long long mask, T given, int site) {
  const auto value = +given;  // smaller integers are compared as int
  static_assert(sizeof value == 4 || sizeof value == 8, "a match compares 4 or 8 bytes");
  XpRecord* record = xp_collective(XP_MATCH, mask, site, &value, sizeof value);
  XpMatch match = {record->arrived, 0};
  for (int lane = 0; lane < XP_WARP; ++lane) {
    const bool equal = !__builtin_memcmp(record->value[lane], &value, sizeof value);
    if ((record->arrived >> lane & 1) && equal) match.same |= 1ull << lane;
  }
  xp_collective_done(record);
  return match;
}
template <class M, class T>
inline xp_mask __match_any_sync(M mask, T value, int site = __builtin_LINE()) {
  return xp_match(xp_lanes(mask), value, site).same;
}
template <class M, class T>
inline xp_mask __match_all_sync(M mask, T value, int* all, int site = __builtin_LINE()) {
  const XpMatch match = xp_match(xp_lanes(mask), value, site);
  *all = match.same == match.lanes;
  return *all ? match.lanes : 0;
}
template <class T>
inline xp_mask __match_any(T value, int site = __builtin_LINE()) {
  return xp_match(0, value, site).same;
}

// The lanes' values combined in the order of the lanes.
template <class T, class Combine>
inline T xp_reduce(unsigned long long mask, T value, Combine combine, int site) {
  XpRecord* record = xp_collective(XP_SHUFFLE, mask, site, &value, sizeof value);
  bool first = true;
  T result = value;
  for (int lane = 0; lane < XP_WARP; ++lane) {
    if (!(record->arrived >> lane & 1)) continue;
    T other;
    __builtin_memcpy(&other, record->value[lane], sizeof other);
    result = first ? other : combine(result, other);
    first = false;
  }
  xp_collective_done(record);
  return result;
}
#define XP_REDUCE(name, type, combine)                                                        \
  template <class M>                                                                          \
  inline type __reduce_##name##_sync(M mask, type value, int site = __builtin_LINE()) {       \
    return xp_reduce(xp_lanes(mask), value, [](type a, type b) { return combine; }, site);    \
  }
#define XP_REDUCE_NUMBERS(type)            \
  XP_REDUCE(add, type, (type)(a + b))      \
  XP_REDUCE(min, type, a < b ? a : b)      \
  XP_REDUCE(max, type, a > b ? a : b)
#define XP_REDUCE_BITS(type)               \
  XP_REDUCE(and, type, a & b)              \
  XP_REDUCE(or, type, a | b)               \
  XP_REDUCE(xor, type, a ^ b)
XP_REDUCE_NUMBERS(int)
XP_REDUCE_NUMBERS(unsigned)
XP_REDUCE_BITS(unsigned)
#if XP_HIP
XP_REDUCE_NUMBERS(long long)
XP_REDUCE_NUMBERS(unsigned long long)
XP_REDUCE_NUMBERS(float)
XP_REDUCE_NUMBERS(double)
XP_REDUCE_NUMBERS(half)
XP_REDUCE_BITS(int)
XP_REDUCE_BITS(long long)
XP_REDUCE_BITS(unsigned long long)
#endif
#undef XP_REDUCE_BITS
#undef XP_REDUCE_NUMBERS
#undef XP_REDUCE
