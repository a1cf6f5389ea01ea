// Cooperative groups of one block: the block, tiles of a warp, lanes that happen to be together. HIP
// has the same. The grid's group is not declared: blocks run one after another here, and cannot wait
// for each other.
#pragma once
#include "warp.h"

namespace cooperative_groups {

struct thread_block {
  static void sync(int site = __builtin_LINE()) { __syncthreads(site); }
  static unsigned thread_rank() {
    return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  }
  static unsigned size() { return blockDim.x * blockDim.y * blockDim.z; }
  static unsigned num_threads() { return size(); }
  static dim3 thread_index() { return threadIdx; }
  static dim3 group_index() { return blockIdx; }
  static dim3 dim_threads() { return blockDim; }
  static dim3 group_dim() { return blockDim; }
};
inline thread_block this_thread_block() { return {}; }

// Lanes of a warp, ranked in their order.
struct XpLaneGroup {
  unsigned long long mask;
  unsigned parts_rank, parts_size;  // which part of its parent it is, and of how many

  static unsigned long long low(unsigned count) { return count == 64 ? ~0ull : (1ull << count) - 1; }
  // The `count` lanes around this one, on a multiple of `count`.
  static unsigned long long around(unsigned count) { return low(count) << (xp_lane & ~(count - 1)); }
  unsigned thread_rank() const { return __builtin_popcountll(mask & low(xp_lane)); }
  unsigned size() const { return __builtin_popcountll(mask); }
  unsigned num_threads() const { return size(); }
  unsigned meta_group_rank() const { return parts_rank; }
  unsigned meta_group_size() const { return parts_size; }
  void sync(int site = __builtin_LINE()) const { xp_sync_lanes(mask, site); }

  int lane_of(unsigned rank) const {
    const unsigned first = __builtin_ctzll(mask);
    if (mask >> first == low(size())) return first + rank;
    for (unsigned lane = first; lane < XP_WARP; ++lane) {
      if ((mask >> lane & 1) && rank-- == 0) return lane;
    }
    return xp_lane;
  }
  // Bits of lanes as bits of ranks.
  xp_mask packed(unsigned long long lanes) const {
    xp_mask bits = 0;
    unsigned rank = 0;
    for (unsigned lane = 0; lane < XP_WARP; ++lane) {
      if (mask >> lane & 1) bits |= (xp_mask)(lanes >> lane & 1) << rank++;
    }
    return bits;
  }

  template <class T>
  T shfl(T value, unsigned rank, int site = __builtin_LINE()) const {
    return xp_shuffle(mask, value, lane_of(rank % size()), site);
  }
  template <class T>
  T shfl_up(T value, unsigned delta, int site = __builtin_LINE()) const {
    const unsigned rank = thread_rank();
    return xp_shuffle(mask, value, lane_of(rank < delta ? rank : rank - delta), site);
  }
  template <class T>
  T shfl_down(T value, unsigned delta, int site = __builtin_LINE()) const {
    const unsigned rank = thread_rank();
    return xp_shuffle(mask, value, lane_of(delta >= size() - rank ? rank : rank + delta), site);
  }
  int any(int predicate, int site = __builtin_LINE()) const {
    return xp_vote(mask, predicate, site).yes != 0;
  }
  int all(int predicate, int site = __builtin_LINE()) const {
    const XpVote vote = xp_vote(mask, predicate, site);
    return vote.yes == vote.lanes;
  }
  xp_mask ballot(int predicate, int site = __builtin_LINE()) const {
    return packed(xp_vote(mask, predicate, site).yes);
  }
  template <class T>
  xp_mask match_any(T value, int site = __builtin_LINE()) const {
    return packed(xp_match(mask, value, site).same);
  }
  template <class T>
  xp_mask match_all(T value, int& all, int site = __builtin_LINE()) const {
    const XpMatch match = xp_match(mask, value, site);
    all = match.same == match.lanes;
    return all ? packed(match.lanes) : 0;
  }
};

struct coalesced_group : XpLaneGroup {};
inline coalesced_group coalesced_threads(int site = __builtin_LINE()) {
  return {{__activemask(site), 0, 1}};
}

// `N` lanes, aligned to N.
template <unsigned N, class Parent = void>
struct thread_block_tile : XpLaneGroup {
  static_assert(N && !(N & (N - 1)) && N <= XP_WARP, "a tile has a power of two of a warp's lanes");
  thread_block_tile(unsigned parts_rank, unsigned parts_size)
      : XpLaneGroup{around(N), parts_rank, parts_size} {}
  template <class Other>
  thread_block_tile(const thread_block_tile<N, Other>& other) : XpLaneGroup(other) {}

  static unsigned thread_rank() { return xp_lane & (N - 1); }
  static constexpr unsigned size() { return N; }
  static constexpr unsigned num_threads() { return N; }
  template <class T>
  T shfl_xor(T value, unsigned bits, int site = __builtin_LINE()) const {
    return xp_shuffle(mask, value, xp_source_xor(bits, N), site);
  }
};
template <unsigned N>
inline thread_block_tile<N, thread_block> tiled_partition(const thread_block& block) {
  return {block.thread_rank() / N, (block.size() + N - 1) / N};
}
template <unsigned N, unsigned SIZE, class Parent>
inline thread_block_tile<N, thread_block_tile<SIZE, Parent>> tiled_partition(
    const thread_block_tile<SIZE, Parent>& tile) {
  static_assert(N <= SIZE, "a tile of a tile is no larger");
  return {tile.thread_rank() / N, SIZE / N};
}
inline thread_block_tile<1> this_thread() { return {0, 1}; }

// A group whose kind is known only when it runs: a block, or lanes.
struct thread_group {
  bool is_block;
  XpLaneGroup lanes;

  thread_group(const thread_block&) : is_block(true), lanes() {}
  thread_group(const XpLaneGroup& lanes) : is_block(false), lanes(lanes) {}
  void sync(int site = __builtin_LINE()) const { is_block ? __syncthreads(site) : lanes.sync(site); }
  unsigned long long size() const { return is_block ? thread_block::size() : lanes.size(); }
  unsigned long long num_threads() const { return size(); }
  unsigned long long thread_rank() const {
    return is_block ? thread_block::thread_rank() : lanes.thread_rank();
  }
};
// Parts of `size` threads each, by rank; the last may be smaller.
inline coalesced_group tiled_partition(const XpLaneGroup& parent, unsigned size) {
  const unsigned rank = parent.thread_rank(), part = rank / size;
  coalesced_group group = {{0, part, (parent.size() + size - 1) / size}};
  for (unsigned r = part * size; r < (part + 1) * size && r < parent.size(); ++r) {
    group.mask |= 1ull << parent.lane_of(r);
  }
  return group;
}
inline thread_group tiled_partition(const thread_block& block, unsigned size,
                                    int site = __builtin_LINE()) {
  if (!size || size & (size - 1) || size > XP_WARP) {
    xp_fail(5011, site, "a tile has a power of two of a warp's lanes, not %u", size);
  }
  // The block's last warp may have fewer lanes.
  const unsigned lanes = block.size() - block.thread_rank() + xp_lane;
  return XpLaneGroup{XpLaneGroup::around(size) & XpLaneGroup::low(lanes < XP_WARP ? lanes : XP_WARP),
                     block.thread_rank() / size, (block.size() + size - 1) / size};
}
inline thread_group tiled_partition(const thread_group& parent, unsigned size,
                                    int site = __builtin_LINE()) {
  if (parent.is_block) return tiled_partition(thread_block(), size, site);
  return tiled_partition(parent.lanes, size);
}

// The lanes with this lane's label; parts are counted in the order of their first lanes.
template <class T>
inline coalesced_group labeled_partition(const XpLaneGroup& parent, T label,
                                         int site = __builtin_LINE()) {
  coalesced_group group = {{xp_match(parent.mask, (unsigned long long)label, site).same, 0, 0}};
  const bool first = group.thread_rank() == 0;
  const unsigned long long firsts = xp_vote(parent.mask, first, site).yes;
  group.parts_rank = __builtin_popcountll(firsts & XpLaneGroup::low(__builtin_ctzll(group.mask)));
  group.parts_size = __builtin_popcountll(firsts);
  return group;
}
inline coalesced_group binary_partition(const XpLaneGroup& parent, bool predicate,
                                        int site = __builtin_LINE()) {
  const XpVote vote = xp_vote(parent.mask, predicate, site);
  if (vote.yes == vote.lanes || !vote.yes) return {{parent.mask, 0, 1}};
  return {{predicate ? vote.yes : vote.lanes & ~vote.yes, predicate, 2}};
}

template <class Group>
inline void sync(const Group& group, int site = __builtin_LINE()) {
  group.sync(site);
}
template <class Group>
inline auto thread_rank(const Group& group) -> decltype(group.thread_rank()) {
  return group.thread_rank();
}
template <class Group>
inline auto group_size(const Group& group) -> decltype(group.num_threads()) {
  return group.num_threads();
}

#define XP_OPERATION(name, value)          \
  template <class T = void>                \
  struct name {                            \
    T operator()(T a, T b) const {         \
      return value;                        \
    }                                      \
  };                                       \
  template <>                              \
  struct name<void> {                      \
    template <class T>                     \
    T operator()(T a, T b) const {         \
      return value;                        \
    }                                      \
  };
XP_OPERATION(plus, T(a + b))
XP_OPERATION(less, a < b ? a : b)
XP_OPERATION(greater, a > b ? a : b)
XP_OPERATION(bit_and, a & b)
XP_OPERATION(bit_or, a | b)
XP_OPERATION(bit_xor, a ^ b)
#undef XP_OPERATION

// Every lane's value, in parts of what a record holds; returns the lanes that took part.
template <class T>
inline unsigned long long xp_gather(unsigned long long mask, const T& value, T* all, int site) {
  static_assert(__is_trivially_copyable(T), "lanes exchange plain bytes");
  enum { PART = 16 };
  unsigned long long arrived = 0;
  for (unsigned at = 0; at < sizeof value; at += PART) {
    const unsigned count = sizeof value - at < PART ? sizeof value - at : PART;
    XpRecord* record = xp_collective(XP_SHUFFLE, mask, site, (const char*)&value + at, count);
    for (int lane = 0; lane < XP_WARP; ++lane) {
      __builtin_memcpy((char*)(all + lane) + at, record->value[lane], count);
    }
    arrived = record->arrived;
    xp_collective_done(record);
  }
  return arrived;
}

// The values of the group's lanes below `end`, combined in their order, which the hardware does not
// promise: `combine` is meant to be associative.
template <class T, class Combine>
inline T xp_combined(unsigned long long mask, unsigned end, const T& value, Combine combine,
                     int site) {
  alignas(alignof(T)) unsigned char room[XP_WARP * sizeof(T)];
  T* all = (T*)room;
  const unsigned long long lanes = xp_gather(mask, value, all, site) & XpLaneGroup::low(end);
  if (!lanes) return T();
  T result = all[__builtin_ctzll(lanes)];
  for (unsigned lane = __builtin_ctzll(lanes) + 1; lane < end; ++lane) {
    if (lanes >> lane & 1) result = combine(result, all[lane]);
  }
  return result;
}
template <class Group, class T, class Combine>
inline T reduce(const Group& group, T value, Combine combine, int site = __builtin_LINE()) {
  return xp_combined(group.mask, XP_WARP, value, combine, site);
}
template <class Group, class T, class Combine>
inline T inclusive_scan(const Group& group, T value, Combine combine, int site = __builtin_LINE()) {
  return xp_combined(group.mask, xp_lane + 1, value, combine, site);
}
template <class Group, class T>
inline T inclusive_scan(const Group& group, T value, int site = __builtin_LINE()) {
  return xp_combined(group.mask, xp_lane + 1, value, plus<T>(), site);
}
// The lane of rank 0 gets T().
template <class Group, class T, class Combine>
inline T exclusive_scan(const Group& group, T value, Combine combine, int site = __builtin_LINE()) {
  return xp_combined(group.mask, xp_lane, value, combine, site);
}
template <class Group, class T>
inline T exclusive_scan(const Group& group, T value, int site = __builtin_LINE()) {
  return xp_combined(group.mask, xp_lane, value, plus<T>(), site);
}

// A copy by all threads of a group. It is done at once; what waits for it orders it for the others.
template <class Group, class T>
XP_INLINE void memcpy_async(const Group& group, T* to, const T* from, unsigned long bytes) {
  const unsigned long count = bytes / sizeof(T);
  for (unsigned long i = group.thread_rank(); i < count; i += group.size()) to[i] = from[i];
}
template <class Group>
inline void wait(const Group& group, int site = __builtin_LINE()) {
  group.sync(site);
}
template <unsigned STAGES, class Group>
inline void wait_prior(const Group& group, int site = __builtin_LINE()) {
  group.sync(site);
}

}  // namespace cooperative_groups
