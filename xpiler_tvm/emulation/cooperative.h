// Cooperative groups of one block: the block itself and its tiles of a warp. HIP has the same.
#pragma once

namespace cooperative_groups {

struct thread_block {
  static void sync(int site = __builtin_LINE()) { __syncthreads(site); }
  static unsigned thread_rank() {
    return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  }
  static unsigned size() { return blockDim.x * blockDim.y * blockDim.z; }
  static unsigned num_threads() { return size(); }
  static uint3 thread_index() { return threadIdx; }
  static uint3 group_index() { return blockIdx; }
};
inline thread_block this_thread_block() { return {}; }

// `N` lanes, aligned to N.
template <unsigned N>
struct XpTiled {
  static unsigned long long lanes() {
    return (N == 64 ? ~0ull : (1ull << N % 64) - 1) << (xp_lane & ~(N - 1));
  }
  static unsigned thread_rank() { return xp_lane & (N - 1); }
  static constexpr unsigned size() { return N; }
  static constexpr unsigned num_threads() { return N; }
  static unsigned meta_group_rank() { return thread_block::thread_rank() / N; }
  static unsigned meta_group_size() { return (thread_block::size() + N - 1) / N; }
  static void sync(int site = __builtin_LINE()) { xp_sync_lanes(lanes(), site); }
  template <class T>
  static T shfl(T value, int lane, int site = __builtin_LINE()) {
    return xp_shuffle(lanes(), value, xp_source_idx(lane, N), site);
  }
  template <class T>
  static T shfl_up(T value, unsigned delta, int site = __builtin_LINE()) {
    return xp_shuffle(lanes(), value, xp_source_up(delta, N), site);
  }
  template <class T>
  static T shfl_down(T value, unsigned delta, int site = __builtin_LINE()) {
    return xp_shuffle(lanes(), value, xp_source_down(delta, N), site);
  }
  template <class T>
  static T shfl_xor(T value, unsigned bits, int site = __builtin_LINE()) {
    return xp_shuffle(lanes(), value, xp_source_xor(bits, N), site);
  }
  static xp_mask ballot(int predicate, int site = __builtin_LINE()) {
    return xp_vote(lanes(), predicate, site).yes >> (xp_lane & ~(N - 1));
  }
  static int any(int predicate, int site = __builtin_LINE()) {
    return xp_vote(lanes(), predicate, site).yes != 0;
  }
  static int all(int predicate, int site = __builtin_LINE()) {
    const XpVote vote = xp_vote(lanes(), predicate, site);
    return vote.yes == vote.lanes;
  }
};
template <unsigned N, class Parent = thread_block>
struct thread_block_tile : XpTiled<N> {};
template <unsigned N, class Parent>
inline thread_block_tile<N, Parent> tiled_partition(const Parent&) {
  return {};
}
template <class Group>
inline void sync(const Group& group, int site = __builtin_LINE()) {
  group.sync(site);
}

#define XP_OPERATION(name, value)        \
  template <class T>                     \
  struct name {                          \
    T operator()(T a, T b) const {       \
      return value;                      \
    }                                    \
  };
XP_OPERATION(plus, a + b)
XP_OPERATION(less, a < b ? a : b)
XP_OPERATION(greater, a > b ? a : b)
XP_OPERATION(bit_and, a & b)
XP_OPERATION(bit_or, a | b)
XP_OPERATION(bit_xor, a ^ b)
#undef XP_OPERATION

// Every lane gets the sum (or what `combine` makes) over its tile.
template <unsigned N, class Parent, class T, class Combine>
inline T reduce(const thread_block_tile<N, Parent>& tile, T value, Combine combine,
                int site = __builtin_LINE()) {
  for (unsigned bits = N / 2; bits; bits /= 2) value = combine(value, tile.shfl_xor(value, bits, site));
  return value;
}

}  // namespace cooperative_groups
