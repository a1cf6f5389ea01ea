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
#define CUDART_INF_F __builtin_inff()
#define CUDART_PI_F 3.141592654f

struct uint3 { unsigned int x, y, z; };
struct dim3 {
  unsigned int x, y, z;
  __host__ __device__ constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1) : x(x_), y(y_), z(z_) {}
  __host__ __device__ constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};
extern __device__ const uint3 threadIdx, blockIdx;
extern __device__ const dim3 blockDim, gridDim;
extern __device__ const int warpSize;
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
#define hipLaunchKernelGGL(kernel, grid, block, shared, stream, ...) kernel<<<(grid), (block), (shared), (stream)>>>(__VA_ARGS__)

struct char2 { signed char x, y; };
struct char4 { signed char x, y, z, w; };
struct uchar4 { unsigned char x, y, z, w; };
struct short2 { short x, y; };
struct int2 { int x, y; };
struct int3 { int x, y, z; };
struct int4 { int x, y, z, w; };
struct uint2 { unsigned x, y; };
struct uint4 { unsigned x, y, z, w; };
struct float2 { float x, y; };
struct float3 { float x, y, z; };
struct float4 { float x, y, z, w; };
struct double2 { double x, y; };
struct half2 { half x, y; };
typedef half2 __half2;

XP_HD float2 make_float2(float, float);
XP_HD float3 make_float3(float, float, float);
XP_HD float4 make_float4(float, float, float, float);
XP_HD int2 make_int2(int, int);
XP_HD int4 make_int4(int, int, int, int);

XP_HD float __expf(float); XP_HD float __exp2f(float); XP_HD float __exp10f(float); XP_HD float __logf(float); XP_HD float __log2f(float); XP_HD float __log10f(float);
XP_HD float __sinf(float); XP_HD float __cosf(float); XP_HD float __tanf(float); XP_HD float __tanhf(float); XP_HD float __powf(float, float);
XP_HD float __fsqrt_rn(float); XP_HD float __frsqrt_rn(float); XP_HD float __frcp_rn(float); XP_HD float __fdividef(float, float); XP_HD float __fdiv_rn(float, float);
XP_HD float __fmaf_rn(float, float, float); XP_HD float __fadd_rn(float, float); XP_HD float __fmul_rn(float, float); XP_HD float __fsub_rn(float, float);
XP_HD float __saturatef(float); XP_HD int __mul24(int, int); XP_HD int __dp4a(int, int, int); XP_HD unsigned __dp4a(unsigned, unsigned, unsigned); XP_HD int __float2int_rn(float); XP_HD int __float2int_rz(float); XP_HD float __int2float_rn(int);
XP_HD float __half2float(half); XP_HD half __float2half(float); XP_HD half __float2half_rn(float); XP_HD half __int2half_rn(int);
XP_HD half __hadd(half, half); XP_HD half __hsub(half, half); XP_HD half __hmul(half, half); XP_HD half __hdiv(half, half); XP_HD half __hfma(half, half, half); XP_HD half __hmax(half, half); XP_HD half __hmin(half, half);

__device__ void __syncthreads();
__device__ int __syncthreads_count(int); __device__ int __syncthreads_and(int); __device__ int __syncthreads_or(int);
__device__ void __syncwarp(unsigned = 0xffffffffu);
__device__ void __threadfence(); __device__ void __threadfence_block();
template <class T> __device__ T __ldg(const T *p);
template <class T> __device__ T __ldcs(const T *p);
template <class T> __device__ T __ldcg(const T *p);
template <class T> __device__ void __stcs(T *p, T v);
template <class T> __device__ T __shfl_sync(unsigned long long m, T v, int lane, int width = 0);
template <class T> __device__ T __shfl_up_sync(unsigned long long m, T v, unsigned d, int width = 0);
template <class T> __device__ T __shfl_down_sync(unsigned long long m, T v, unsigned d, int width = 0);
template <class T> __device__ T __shfl_xor_sync(unsigned long long m, T v, int d, int width = 0);
template <class T> __device__ T __shfl(T v, int lane, int width = 0);
template <class T> __device__ T __shfl_up(T v, unsigned d, int width = 0);
template <class T> __device__ T __shfl_down(T v, unsigned d, int width = 0);
template <class T> __device__ T __shfl_xor(T v, int d, int width = 0);
__device__ unsigned __ballot_sync(unsigned, int); __device__ int __any_sync(unsigned, int); __device__ int __all_sync(unsigned, int); __device__ unsigned __activemask();
XP_HD int __float_as_int(float); XP_HD unsigned __float_as_uint(float); XP_HD float __int_as_float(int); XP_HD float __uint_as_float(unsigned);
XP_HD void sincosf(float, float *, float *); XP_HD void sincos(double, double *, double *); XP_HD void __sincosf(float, float *, float *);
XP_HD int __popc(unsigned); XP_HD int __clz(int); XP_HD int __ffs(int);
template <class T, class U> __device__ T atomicAdd(T *p, U v); template <class T, class U> __device__ T atomicSub(T *p, U v);
template <class T, class U> __device__ T atomicMax(T *p, U v); template <class T, class U> __device__ T atomicMin(T *p, U v);
template <class T, class U> __device__ T atomicExch(T *p, U v); template <class T> __device__ T atomicCAS(T *p, T c, T v);
template <class T, class U> __device__ T atomicAnd(T *p, U v); template <class T, class U> __device__ T atomicOr(T *p, U v); template <class T, class U> __device__ T atomicXor(T *p, U v);

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
XP_HD int printf(const char *, ...); XP_HD void __assert_fail(const char *, const char *, unsigned, const char *);
struct xp_file; extern xp_file *stderr, *stdout;
int fprintf(xp_file *, const char *, ...); int puts(const char *); int fflush(xp_file *); void perror(const char *);
void exit(int) __attribute__((noreturn)); void abort() __attribute__((noreturn));
void *malloc(size_t); void *calloc(size_t, size_t); void free(void *); int rand(); void srand(unsigned); int atoi(const char *); double atof(const char *);
void *memset(void *, int, size_t); void *memcpy(void *, const void *, size_t); int strcmp(const char *, const char *);
long time(long *); long clock(); void *aligned_alloc(size_t, size_t);
}
namespace std {
using ::printf; using ::fprintf; using ::puts; using ::fflush; using ::perror; using ::exit; using ::abort; using ::malloc; using ::calloc; using ::free;
using ::rand; using ::srand; using ::atoi; using ::atof; using ::memset; using ::memcpy; using ::strcmp; using ::time; using ::clock; using ::aligned_alloc;
using ::sqrtf; using ::expf; using ::fabsf; using ::fmaxf; using ::fminf;
}
#define RAND_MAX 2147483647
#define CLOCKS_PER_SEC 1000000
#define assert(c) ((void)0)
namespace std {
template <class T> struct vector {
  vector(); explicit vector(size_t n); vector(size_t n, T v);
  T *data(); const T *data() const; size_t size() const; T &operator[](size_t); const T &operator[](size_t) const;
  T *begin(); T *end(); const T *begin() const; const T *end() const; void resize(size_t); void assign(size_t, T); bool empty() const; void push_back(T);
};
struct string { string(); string(const char *); const char *c_str() const; };
struct ostream { };
template <class T> ostream &operator<<(ostream &, const T &);
ostream &operator<<(ostream &, ostream &(*)(ostream &));
ostream &endl(ostream &);
extern ostream cout, cerr;
struct mt19937 { mt19937(unsigned = 0); unsigned operator()(); };
template <class T = float> struct uniform_real_distribution { uniform_real_distribution(T = 0, T = 1); template <class G> T operator()(G &); };
template <class T = float> struct normal_distribution { normal_distribution(T = 0, T = 1); template <class G> T operator()(G &); };
template <class T> struct unique_ptr { explicit unique_ptr(T * = 0); T *get(); };
template <class T> struct unique_ptr<T[]> { explicit unique_ptr(T * = 0); T *get(); T &operator[](size_t); };
template <class T> void swap(T &, T &);
template <class I, class V> void fill(I, I, V);
}
