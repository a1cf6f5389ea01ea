// What a BANG C source sees while its functions are told apart into device and host code.
#define __mlu_global__ __attribute__((global))
#define __mlu_entry__ __attribute__((global))
#define __mlu_device__ __attribute__((device))
#define __mlu_func__ __attribute__((device))
#define __mlu_host__ __attribute__((host))
#define __mlu_builtin__ __attribute__((device))
#define __nram__ __attribute__((annotate("nram")))
#define __wram__ __attribute__((annotate("wram")))
#define __mlu_shared__ __attribute__((annotate("sram")))
#define __ldram__ __attribute__((annotate("ldram")))
#define __mlu_const__ __attribute__((annotate("const")))
#include "types.h"
typedef int cnrtRet_t;
struct cnrtDim3_t { unsigned x, y, z; };
enum cnrtFunctionType_t { cnrtFuncTypeBlock = 1, cnrtFuncTypeUnion1 = 4, cnrtFuncTypeUnion2 = 8, cnrtFuncTypeUnion4 = 16, cnrtFuncTypeUnion8 = 32 };
struct xp_queue; typedef xp_queue *cnrtQueue_t;
extern "C" unsigned __cudaPushCallConfiguration(cnrtDim3_t, cnrtFunctionType_t, void * = 0);
