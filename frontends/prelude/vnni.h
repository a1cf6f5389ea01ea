// What a C source with vector intrinsics sees while it is read: declarations only.
#define XP_C
#define restrict __restrict__
#include "math.h"
#include "intrinsics.h"
// What `malloc` gives becomes any pointer in C.
struct XpMemory { template <class T> operator T *() const; };
extern "C" {
XpMemory malloc(size_t); XpMemory calloc(size_t, size_t); XpMemory aligned_alloc(size_t, size_t); XpMemory _mm_malloc(size_t, size_t);
void free(void *); void _mm_free(void *);
XpMemory memset(void *, int, size_t); XpMemory memcpy(void *, const void *, size_t); XpMemory memmove(void *, const void *, size_t);
}
#define assert(c) ((void)0)
