// What a CUDA or HIP source sees while it is read: declarations only, no vendor header.
// Nothing here is executed; xpiler_tvm/emulation has the definitions that run.
#pragma clang diagnostic ignored "-Wreturn-type"
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __host__ __attribute__((host))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __inline__ inline
#define alignas(n) __attribute__((aligned(n)))  // where it follows __shared__
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))

#include "math.h"
typedef _Float16 __half;
typedef __bf16 bfloat16; typedef __bf16 __nv_bfloat16; typedef __bf16 nv_bfloat16; typedef __bf16 __hip_bfloat16; typedef __bf16 hip_bfloat16;
struct half2 { half x, y; half2() = default; XP_HD half2(half, half); };
struct bfloat162 { bfloat16 x, y; bfloat162() = default; XP_HD bfloat162(bfloat16, bfloat16); };
typedef half2 __half2; typedef bfloat162 __nv_bfloat162; typedef bfloat162 nv_bfloat162; typedef bfloat162 __hip_bfloat162;
template <class T> struct XpSameType { typedef T type; };
template <class T> using XpSame = typename XpSameType<T>::type;
#include "simt_tables.h"
#include "integers.h"
#include "warps.h"
#include "wmma.h"
#ifdef __HIP__
#include "amdgcn.h"
#endif
#define CUDART_INF_F __builtin_inff()
#define CUDART_PI_F 3.141592654f

struct dim3 {
  unsigned int x, y, z;
  __host__ __device__ constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1) : x(x_), y(y_), z(z_) {}
  __host__ __device__ constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};
#include "cooperative.h"
extern __device__ const uint3 threadIdx, blockIdx;
extern __device__ const dim3 blockDim, gridDim;
#ifdef __HIP__
static constexpr int warpSize = 64;  // until ROCm 7 it may be the extent of an array
#else
extern __device__ const int warpSize;
#endif
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
#define HIP_DYNAMIC_SHARED(type, name) extern __shared__ type name[];
#define hipLaunchKernelGGL(kernel, grid, block, shared, stream, ...) kernel<<<(grid), (block), (shared), (stream)>>>(__VA_ARGS__)

XP_HD float __expf(float); XP_HD float __exp2f(float); XP_HD float __exp10f(float); XP_HD float __logf(float); XP_HD float __log2f(float); XP_HD float __log10f(float);
XP_HD float __sinf(float); XP_HD float __cosf(float); XP_HD float __tanf(float); XP_HD float __tanhf(float); XP_HD float __powf(float, float);
XP_HD float __frsqrt_rn(float); XP_HD float __fdividef(float, float); XP_HD float fdividef(float, float); XP_HD float __saturatef(float);
#define XP_ROUNDED(r) \
  XP_HD float __fadd_##r(float, float); XP_HD float __fsub_##r(float, float); XP_HD float __fmul_##r(float, float); XP_HD float __fdiv_##r(float, float); \
  XP_HD double __dadd_##r(double, double); XP_HD double __dsub_##r(double, double); XP_HD double __dmul_##r(double, double); XP_HD double __ddiv_##r(double, double); \
  XP_HD float __frcp_##r(float); XP_HD double __drcp_##r(double); XP_HD float __fsqrt_##r(float); XP_HD double __dsqrt_##r(double); \
  XP_HD float __fmaf_##r(float, float, float); XP_HD double __fma_##r(double, double, double); XP_HD float __double2float_##r(double); \
  XP_FROM(int, int, r) XP_FROM(uint, unsigned, r) XP_FROM(ll, long long, r) XP_FROM(ull, unsigned long long, r)
#define XP_FROM(name, T, r) \
  XP_HD T __float2##name##_##r(float); XP_HD T __double2##name##_##r(double); XP_HD float __##name##2float_##r(T); XP_HD double __##name##2double_##r(T);
XP_ROUNDED(rn) XP_ROUNDED(rz) XP_ROUNDED(ru) XP_ROUNDED(rd)
XP_HD int __float_as_int(float); XP_HD unsigned __float_as_uint(float); XP_HD float __int_as_float(int); XP_HD float __uint_as_float(unsigned);
XP_HD long long __double_as_longlong(double); XP_HD double __longlong_as_double(long long);
XP_HD int __double2hiint(double); XP_HD int __double2loint(double); XP_HD double __hiloint2double(int, int);
XP_HD void __sincosf(float, float *, float *); XP_HD void sincospif(float, float *, float *); XP_HD void sincospi(double, double *, double *);
XP_HD float normf(int, const float *); XP_HD double norm(int, const double *); XP_HD float rnormf(int, const float *); XP_HD double rnorm(int, const double *);
#define XP_LOAD(name) template <class T> __device__ T name(const T *);
#define XP_STORE(name) template <class T> __device__ void name(T *, XpSame<T>);
XP_LOAD(__ldg) XP_LOAD(__ldca) XP_LOAD(__ldcg) XP_LOAD(__ldcs) XP_LOAD(__ldlu) XP_LOAD(__ldcv)
XP_STORE(__stwb) XP_STORE(__stcg) XP_STORE(__stcs) XP_STORE(__stwt)

// ---- the host side: enough to read a wrapper that allocates, copies and launches
typedef int cudaError_t; typedef int hipError_t;
struct xp_stream; typedef xp_stream *cudaStream_t; typedef xp_stream *hipStream_t;
struct xp_event; typedef xp_event *cudaEvent_t; typedef xp_event *hipEvent_t;
enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };
enum hipMemcpyKind { hipMemcpyHostToHost, hipMemcpyHostToDevice, hipMemcpyDeviceToHost, hipMemcpyDeviceToDevice, hipMemcpyDefault };
enum { cudaSuccess = 0, hipSuccess = 0 };
#define XP_HOST_API(p, error, stream, event, kind) \
  template <class T> error p##Malloc(T **, size_t); template <class T> error p##MallocManaged(T **, size_t, unsigned = 1); \
  template <class T> error p##MallocHost(T **, size_t); \
  error p##Free(const void *); error p##FreeHost(void *); error p##Memcpy(void *, const void *, size_t, kind); \
  error p##MemcpyAsync(void *, const void *, size_t, kind, stream = 0); error p##Memset(void *, int, size_t); \
  error p##MemsetAsync(void *, int, size_t, stream = 0); \
  error p##DeviceSynchronize(); error p##GetLastError(); error p##PeekAtLastError(); error p##StreamSynchronize(stream); \
  error p##StreamCreate(stream *); error p##StreamDestroy(stream); error p##SetDevice(int); error p##DeviceReset(); \
  error p##EventCreate(event *); error p##EventRecord(event, stream = 0); error p##EventSynchronize(event); \
  error p##EventElapsedTime(float *, event, event); error p##EventDestroy(event); const char *p##GetErrorString(error); \
  template <class T> error p##FuncSetAttribute(T, int, int); \
  template <class T> error p##MemcpyToSymbol(T &, const void *, size_t, size_t = 0, kind = kind(1)); \
  template <class T> error p##MemcpyFromSymbol(void *, T &, size_t, size_t = 0, kind = kind(2));
XP_HOST_API(cuda, cudaError_t, cudaStream_t, cudaEvent_t, cudaMemcpyKind)
XP_HOST_API(hip, hipError_t, hipStream_t, hipEvent_t, hipMemcpyKind)
enum { cudaFuncAttributeMaxDynamicSharedMemorySize = 8, hipFuncAttributeMaxDynamicSharedMemorySize = 8 };
extern "C" {
unsigned __cudaPushCallConfiguration(dim3, dim3, size_t = 0, void * = 0);
unsigned __hipPushCallConfiguration(dim3, dim3, size_t = 0, void * = 0);
cudaError_t cudaConfigureCall(dim3, dim3, size_t = 0, cudaStream_t = 0);
hipError_t hipConfigureCall(dim3, dim3, size_t = 0, hipStream_t = 0);
}
#include "host.h"
