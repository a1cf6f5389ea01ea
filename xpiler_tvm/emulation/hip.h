// HIP: waves of 64 lanes on CDNA and of 32 on RDNA; masks have 64 bits on both.
#pragma once
#define __HIPCC__ 1
#define __HIP_PLATFORM_AMD__ 1
#define __HIP_DEVICE_COMPILE__ 1
typedef unsigned long long xp_mask;
#define XP_WIDEST_VECTOR 32  // HIP's vectors are aligned to their size
#include "simt.h"

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

inline unsigned __lane_id() { return xp_lane; }

#if !__has_builtin(__builtin_nontemporal_load)
template <class T>
XP_INLINE T __builtin_nontemporal_load(const T* address) {
  return *address;
}
template <class V, class T>
XP_INLINE void __builtin_nontemporal_store(V value, T* address) {
  *address = value;
}
#endif
