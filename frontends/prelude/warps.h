// What the lanes of a warp and the threads of a block do together. Masks have 64 bits in HIP.
#pragma once
#ifdef __HIP__
typedef unsigned long long xp_mask;
#else
typedef unsigned xp_mask;
#endif
__device__ void __syncthreads(); __device__ void __syncwarp(xp_mask = ~xp_mask(0));
__device__ int __syncthreads_count(int); __device__ int __syncthreads_and(int); __device__ int __syncthreads_or(int);
__device__ void __threadfence(); __device__ void __threadfence_block(); __device__ void __threadfence_system();
__device__ void __nanosleep(unsigned); __device__ long long clock64();

// With bodies, as a class that is local to a function may pass through.
#define XP_SHUFFLE(form, by) \
  template <class T> __device__ T __shfl##form##_sync(xp_mask, T value, by, int width = 0) { return value; } \
  template <class T> __device__ T __shfl##form(T value, by, int width = 0) { return value; }
XP_SHUFFLE(, int) XP_SHUFFLE(_up, unsigned) XP_SHUFFLE(_down, unsigned) XP_SHUFFLE(_xor, int)
#define XP_VOTE(result, name) __device__ result name##_sync(xp_mask, int); __device__ result name(int);
XP_VOTE(xp_mask, __ballot) XP_VOTE(int, __any) XP_VOTE(int, __all) XP_VOTE(int, __uni)
__device__ xp_mask __activemask();
template <class T> __device__ xp_mask __match_any_sync(xp_mask, T);
template <class T> __device__ xp_mask __match_all_sync(xp_mask, T, int *);
#define XP_REDUCE(T) __device__ T __reduce_add_sync(xp_mask, T); __device__ T __reduce_min_sync(xp_mask, T); __device__ T __reduce_max_sync(xp_mask, T);
#define XP_REDUCE_BITS(T) __device__ T __reduce_and_sync(xp_mask, T); __device__ T __reduce_or_sync(xp_mask, T); __device__ T __reduce_xor_sync(xp_mask, T);
XP_REDUCE(int) XP_REDUCE(unsigned) XP_REDUCE_BITS(unsigned)
#ifdef __HIP__
template <class T> __device__ xp_mask __match_any(T);
__device__ unsigned __lane_id();
XP_REDUCE(long long) XP_REDUCE(unsigned long long) XP_REDUCE(float) XP_REDUCE(double) XP_REDUCE(half)
XP_REDUCE_BITS(int) XP_REDUCE_BITS(long long) XP_REDUCE_BITS(unsigned long long)
#endif
