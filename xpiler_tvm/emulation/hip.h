// HIP: waves of 64 lanes on CDNA and of 32 on RDNA; masks have 64 bits on both.
#pragma once
#define __HIPCC__ 1
#define __HIP_PLATFORM_AMD__ 1
#define __HIP_DEVICE_COMPILE__ 1
typedef unsigned long long xp_mask;
#include "simt.h"
#include "cooperative.h"
#include "wmma.h"
#include "mfma.h"

#define HIP_DYNAMIC_SHARED(type, name) type* const name = (type*)xp_dynamic;
#define hipThreadIdx_x threadIdx.x
#define hipThreadIdx_y threadIdx.y
#define hipThreadIdx_z threadIdx.z
#define hipBlockIdx_x blockIdx.x
#define hipBlockIdx_y blockIdx.y
#define hipBlockIdx_z blockIdx.z
#define hipBlockDim_x blockDim.x
#define hipBlockDim_y blockDim.y
#define hipBlockDim_z blockDim.z
#define hipGridDim_x gridDim.x
#define hipGridDim_y gridDim.y
#define hipGridDim_z gridDim.z

inline int __lane_id() { return xp_lane; }
// The lanes of a wave run in lockstep; here they wait for those that are active with them.
inline void __builtin_amdgcn_wave_barrier(int site = __builtin_LINE()) { xp_sync_lanes(0, site); }
template <class T>
inline T unsafeAtomicAdd(T* address, typename XpSame<T>::type value) {
  return atomicAdd(address, value);
}

// HIP's vectors have arithmetic, CUDA's have none.
#define XP_OPERATOR(T, op)                                                                     \
  inline T##2 operator op(T##2 a, T##2 b) { return {a.x op b.x, a.y op b.y}; }                 \
  inline T##3 operator op(T##3 a, T##3 b) { return {a.x op b.x, a.y op b.y, a.z op b.z}; }     \
  inline T##4 operator op(T##4 a, T##4 b) {                                                    \
    return {a.x op b.x, a.y op b.y, a.z op b.z, a.w op b.w};                                   \
  }                                                                                            \
  inline T##2& operator op##=(T##2& a, T##2 b) { return a = a op b; }                          \
  inline T##3& operator op##=(T##3& a, T##3 b) { return a = a op b; }                          \
  inline T##4& operator op##=(T##4& a, T##4 b) { return a = a op b; }
#define XP_OPERATORS(T) XP_OPERATOR(T, +) XP_OPERATOR(T, -) XP_OPERATOR(T, *) XP_OPERATOR(T, /)
XP_OPERATORS(float)
XP_OPERATORS(double)
XP_OPERATORS(int)
XP_OPERATORS(uint)
#undef XP_OPERATORS
#undef XP_OPERATOR
