// What a BANG C source sees while it is read. Its functions and ids are declared in bang_tables.h,
// which is written out from the dialect's tables.
#define __mlu_global__ __attribute__((global))
#define __mlu_entry__ __attribute__((global))
#define __mlu_device__ __attribute__((device))
#define __mlu_func__ __attribute__((device)) inline
#define __mlu_host__ __attribute__((host))
#define __mlu_builtin__ __attribute__((device))
#define __nram__ __attribute__((annotate("nram")))
#define __wram__ __attribute__((annotate("wram")))
#define __mlu_shared__ __attribute__((annotate("sram")))
#define __ldram__ __attribute__((annotate("ldram")))
#define __mlu_const__ static const
#define __BANG__ 1
#define alignas(n) __attribute__((aligned(n)))
#define __align__(n) __attribute__((aligned(n)))
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#include "math.h"
typedef half half_t;
typedef __bf16 bfloat16_t;
typedef __bf16 bfloat16;
// Two 4-bit integers, the lower half first.
struct int4x2_t { unsigned char bits; };
#include "bang_tables.h"
__mlu_func__ void __bang_printf(const char *, ...);

// ---- the host side: enough to read a wrapper that allocates, copies and launches
#include "host.h"
typedef int cnrtRet_t;
struct cnrtDim3_t { unsigned x, y, z; };
enum cnrtFunctionType_t {
  cnrtFuncTypeBlock = 1, cnrtFuncTypeUnion1 = 4, cnrtFuncTypeUnion2 = 8, cnrtFuncTypeUnion4 = 16, cnrtFuncTypeUnion8 = 32, cnrtFuncTypeUnion16 = 64,
  CNRT_FUNC_TYPE_BLOCK = 1, CNRT_FUNC_TYPE_UNION1 = 4, CNRT_FUNC_TYPE_UNION2 = 8, CNRT_FUNC_TYPE_UNION4 = 16, CNRT_FUNC_TYPE_UNION8 = 32
};
// In the order of CUDA's kinds.
enum cnrtMemTransDir_t { cnrtMemcpyHostToHost, cnrtMemcpyHostToDev, cnrtMemcpyDevToHost, cnrtMemcpyDevToDev };
enum { cnrtSuccess = 0, CNRT_RET_SUCCESS = 0 };
struct xp_queue; typedef xp_queue *cnrtQueue_t;
struct xp_notifier; typedef xp_notifier *cnrtNotifier_t;
template <class T> cnrtRet_t cnrtMalloc(T **, size_t);
cnrtRet_t cnrtFree(void *); cnrtRet_t cnrtMemcpy(void *, const void *, size_t, cnrtMemTransDir_t); cnrtRet_t cnrtMemset(void *, int, size_t);
cnrtRet_t cnrtGetLastError(); cnrtRet_t cnrtPeekAtLastError(); const char *cnrtGetErrorStr(cnrtRet_t);
cnrtRet_t cnrtSetDevice(int); cnrtRet_t cnrtQueueCreate(cnrtQueue_t *); cnrtRet_t cnrtQueueSync(cnrtQueue_t); cnrtRet_t cnrtQueueDestroy(cnrtQueue_t);
cnrtRet_t cnrtNotifierCreate(cnrtNotifier_t *); cnrtRet_t cnrtPlaceNotifier(cnrtNotifier_t, cnrtQueue_t); cnrtRet_t cnrtNotifierDestroy(cnrtNotifier_t);
cnrtRet_t cnrtNotifierDuration(cnrtNotifier_t, cnrtNotifier_t, float *);
extern "C" unsigned __cudaPushCallConfiguration(cnrtDim3_t, cnrtFunctionType_t, void * = 0);
