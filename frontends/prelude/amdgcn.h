// Clang's atomic operations and builtins for AMD's processors, under names that Clang does not know:
// of its own builtins it makes other trees than calls.
#pragma once
#define XP_FETCH(name) template <class T> __device__ T xp_hip_atomic_##name(T *, XpSame<T>, int, int);
XP_FETCH(exchange) XP_FETCH(fetch_add) XP_FETCH(fetch_sub) XP_FETCH(fetch_min) XP_FETCH(fetch_max)
XP_FETCH(fetch_and) XP_FETCH(fetch_or) XP_FETCH(fetch_xor)
template <class T> __device__ T xp_hip_atomic_load(const T *, int, int);
template <class T> __device__ void xp_hip_atomic_store(T *, XpSame<T>, int, int);
template <class T> __device__ bool xp_hip_atomic_compare_exchange_strong(T *, T *, XpSame<T>, int, int, int);
template <class T> __device__ bool xp_hip_atomic_compare_exchange_weak(T *, T *, XpSame<T>, int, int, int);
#define __hip_atomic_exchange xp_hip_atomic_exchange
#define __hip_atomic_fetch_add xp_hip_atomic_fetch_add
#define __hip_atomic_fetch_sub xp_hip_atomic_fetch_sub
#define __hip_atomic_fetch_min xp_hip_atomic_fetch_min
#define __hip_atomic_fetch_max xp_hip_atomic_fetch_max
#define __hip_atomic_fetch_and xp_hip_atomic_fetch_and
#define __hip_atomic_fetch_or xp_hip_atomic_fetch_or
#define __hip_atomic_fetch_xor xp_hip_atomic_fetch_xor
#define __hip_atomic_load xp_hip_atomic_load
#define __hip_atomic_store xp_hip_atomic_store
#define __hip_atomic_compare_exchange_strong xp_hip_atomic_compare_exchange_strong
#define __hip_atomic_compare_exchange_weak xp_hip_atomic_compare_exchange_weak

#define XP_IDS(d) \
  __device__ unsigned __builtin_amdgcn_workitem_id_##d(); __device__ unsigned __builtin_amdgcn_workgroup_id_##d(); \
  __device__ unsigned short __builtin_amdgcn_workgroup_size_##d(); __device__ unsigned __builtin_amdgcn_grid_size_##d();
XP_IDS(x) XP_IDS(y) XP_IDS(z)
#define XP_HINT(name) template <class... T> __device__ void __builtin_amdgcn_##name(T...);
XP_HINT(fence) XP_HINT(s_waitcnt) XP_HINT(s_setprio) XP_HINT(s_sleep) XP_HINT(sched_barrier) XP_HINT(sched_group_barrier)
XP_HINT(iglp_opt) XP_HINT(s_nop) XP_HINT(s_inst_prefetch)
__device__ unsigned __builtin_amdgcn_wavefrontsize(); __device__ void __builtin_amdgcn_s_barrier(); __device__ void __builtin_amdgcn_wave_barrier();
__device__ int __builtin_amdgcn_readfirstlane(int); __device__ int __builtin_amdgcn_readlane(int, int);
__device__ int __builtin_amdgcn_ds_bpermute(int, int); __device__ int __builtin_amdgcn_ds_permute(int, int); __device__ int __builtin_amdgcn_ds_swizzle(int, int);
template <class T> __device__ T __builtin_amdgcn_update_dpp(T, T, int, int, int, bool); template <class T> __device__ T __builtin_amdgcn_mov_dpp(T, int, int, int, bool);
__device__ unsigned __builtin_amdgcn_mbcnt_lo(unsigned, unsigned); __device__ unsigned __builtin_amdgcn_mbcnt_hi(unsigned, unsigned);
__device__ unsigned long __builtin_amdgcn_ballot_w64(bool); __device__ unsigned long __builtin_amdgcn_read_exec();
__device__ unsigned __builtin_amdgcn_read_exec_lo(); __device__ unsigned __builtin_amdgcn_read_exec_hi();
__device__ float __builtin_amdgcn_rcpf(float); __device__ double __builtin_amdgcn_rcp(double); __device__ float __builtin_amdgcn_rsqf(float); __device__ double __builtin_amdgcn_rsq(double);
__device__ float __builtin_amdgcn_sqrtf(float); __device__ float __builtin_amdgcn_exp2f(float); __device__ float __builtin_amdgcn_logf(float);
__device__ float __builtin_amdgcn_sinf(float); __device__ float __builtin_amdgcn_cosf(float); __device__ float __builtin_amdgcn_fractf(float);
__device__ float __builtin_amdgcn_fmed3f(float, float, float); __device__ float __builtin_amdgcn_ldexpf(float, int);
typedef half XpHalf2 __attribute__((vector_size(4)));
__device__ float __builtin_amdgcn_fdot2(XpHalf2, XpHalf2, float, bool);
__device__ int __builtin_amdgcn_sdot4(int, int, int, bool); __device__ unsigned __builtin_amdgcn_udot4(unsigned, unsigned, unsigned, bool);
__device__ int __builtin_amdgcn_sdot8(int, int, int, bool); __device__ unsigned __builtin_amdgcn_udot8(unsigned, unsigned, unsigned, bool);
__device__ unsigned __builtin_amdgcn_alignbit(unsigned, unsigned, unsigned); __device__ unsigned __builtin_amdgcn_alignbyte(unsigned, unsigned, unsigned);
__device__ unsigned __builtin_amdgcn_ubfe(unsigned, unsigned, unsigned); __device__ int __builtin_amdgcn_sbfe(int, unsigned, unsigned);
__device__ float __builtin_amdgcn_cvt_f32_ubyte0(unsigned); __device__ float __builtin_amdgcn_cvt_f32_ubyte1(unsigned);
__device__ float __builtin_amdgcn_cvt_f32_ubyte2(unsigned); __device__ float __builtin_amdgcn_cvt_f32_ubyte3(unsigned);
