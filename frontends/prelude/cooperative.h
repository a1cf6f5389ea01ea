// Cooperative groups. What takes a functor has a body, as the functor's class may be local to a function.
#pragma once
namespace cooperative_groups {
struct XpGroup {
  __device__ void sync() const; __device__ unsigned thread_rank() const; __device__ unsigned size() const; __device__ unsigned num_threads() const;
};
struct thread_block : XpGroup {
  __device__ dim3 thread_index() const; __device__ dim3 group_index() const; __device__ dim3 dim_threads() const; __device__ dim3 group_dim() const;
};
struct XpLanes : XpGroup {
  __device__ unsigned meta_group_rank() const; __device__ unsigned meta_group_size() const;
  template <class T> __device__ T shfl(T, unsigned) const; template <class T> __device__ T shfl_up(T, unsigned) const;
  template <class T> __device__ T shfl_down(T, unsigned) const; template <class T> __device__ T shfl_xor(T, unsigned) const;
  __device__ int any(int) const; __device__ int all(int) const; __device__ xp_mask ballot(int) const;
  template <class T> __device__ xp_mask match_any(T) const; template <class T> __device__ xp_mask match_all(T, int &) const;
};
struct coalesced_group : XpLanes {};
template <unsigned N, class Parent = void> struct thread_block_tile : XpLanes {
  thread_block_tile() = default; template <class Other> __device__ thread_block_tile(const thread_block_tile<N, Other> &);
};
struct thread_group : XpGroup { template <class Group> __device__ thread_group(const Group &); };
struct grid_group : XpGroup {};
__device__ thread_block this_thread_block(); __device__ thread_block_tile<1> this_thread(); __device__ grid_group this_grid();
__device__ coalesced_group coalesced_threads();
template <unsigned N, class Group> __device__ thread_block_tile<N, Group> tiled_partition(const Group &);
template <class Group> __device__ thread_group tiled_partition(const Group &, unsigned);
template <class Group, class T> __device__ coalesced_group labeled_partition(const Group &, T);
template <class Group> __device__ coalesced_group binary_partition(const Group &, bool);
template <class Group> __device__ void sync(const Group &); template <class Group> __device__ unsigned thread_rank(const Group &);
template <class Group> __device__ unsigned group_size(const Group &);
template <class T = void> struct plus {}; template <class T = void> struct less {}; template <class T = void> struct greater {};
template <class T = void> struct bit_and {}; template <class T = void> struct bit_or {}; template <class T = void> struct bit_xor {};
template <class Group, class T, class F> __device__ T reduce(const Group &, T value, F) { return value; }
template <class Group, class T, class F> __device__ T inclusive_scan(const Group &, T value, F) { return value; } template <class Group, class T> __device__ T inclusive_scan(const Group &, T value) { return value; }
template <class Group, class T, class F> __device__ T exclusive_scan(const Group &, T value, F) { return value; } template <class Group, class T> __device__ T exclusive_scan(const Group &, T value) { return value; }
template <class Group, class T> __device__ void memcpy_async(const Group &, T *, const T *, size_t);
template <class Group> __device__ void wait(const Group &); template <unsigned N, class Group> __device__ void wait_prior(const Group &);
}
