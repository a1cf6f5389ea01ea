// The border between a kernel's translation unit and the precompiled runtime: plain C types, no
// standard library, so that it costs nothing to parse.
#pragma once

#include "report.h"

#define XP_HIDDEN __attribute__((visibility("hidden")))

struct xp_uint3 {
  unsigned x, y, z;
};

// Memories, as bits: an operand may be allowed in several. Mirrored by `memory.SPACES`. A GPU's
// global memory is GDRAM here, its shared memory SRAM.
enum { XP_GDRAM = 1, XP_NRAM = 2, XP_WRAM = 4, XP_SRAM = 8, XP_LDRAM = 16 };

enum { XP_DYNAMIC = 2 };

// A variable or array whose place is known.
struct XpVariable {
  const char* name;
  unsigned char* address;  // of a thread-local one (shared memory of a GPU): its offset
  unsigned long long size;
  int local;       // whether it is thread-local, or XP_DYNAMIC
  int spaces;      // one bit; two where the compiler lost which one a variable was in
  int element;     // bytes of an element
  int unwritten;   // whether it starts without a value
};

// One argument of the kernel: an array's address, an integer or a floating-point number.
struct XpArg {
  int kind;  // one of those below
  void* pointer;
  long long integer;
  double real;
};
// An object is `integer` bytes at `pointer`.
enum { XP_POINTER = 0, XP_INTEGER = 1, XP_REAL = 2, XP_OBJECT = 3 };

// How the kernel is run. `grid` counts blocks (or BANG tasks), `block` threads in a block.
struct XpLaunch {
  unsigned grid[3], block[3];
  unsigned warp;                // lanes of a warp: 32 or 64
  unsigned dynamic_shared;      // bytes
  unsigned stack;               // bytes of one thread's stack
  unsigned clusters;            // BANG: clusters of a union job, 0 for a block job
  unsigned cores;               // BANG: whether threads are cores
  unsigned filler;              // a checked run: the byte that reads of unwritten memory give
  XpReport* report;
};

// Runs the kernel for one thread, or for all where none of them ever waits.
typedef void (*XpInvoke)(const XpArg* args);

// What the lanes of one warp brought to a collective. A lane reads it and then calls
// `xp_collective_done`; the record is reused once every lane that took part has read it.
struct XpRecord {
  unsigned long long arrived;  // the lanes that took part
  unsigned long long mask;     // the lanes it waits for; 0: all that can still arrive
  int kind, site, readers;
  struct XpThread* waiting;
  XpRecord* next;
  alignas(16) unsigned char value[64][16];
};

enum { XP_SHUFFLE = 1, XP_VOTE = 2, XP_SYNC = 3, XP_ACTIVE = 4, XP_MATCH = 5, XP_MATRIX = 6 };

extern "C" {

#ifndef XP_LOOP
// Indices of the thread that runs now; the runtime sets them at every switch.
extern XP_HIDDEN xp_uint3 threadIdx, blockIdx, blockDim, gridDim;
extern XP_HIDDEN unsigned xp_lane;
#endif
extern XP_HIDDEN unsigned char* xp_dynamic;  // dynamic shared memory of the block

// Waits for every live thread of the block; `site` is the source line. Returns how many of them
// brought a non-zero `predicate`; `*total` becomes the number of threads that arrived.
XP_HIDDEN int xp_barrier(int site, int predicate, int* total);

// Waits for the lanes of `mask`; 0 means every lane of the warp that can still arrive.
XP_HIDDEN XpRecord* xp_collective(int kind, unsigned long long mask, int site, const void* value,
                                  unsigned bytes);
XP_HIDDEN void xp_collective_done(XpRecord* record);

// Ends the run with an XP5xxx code. Does not return.
[[noreturn]] XP_HIDDEN void xp_fail(int code, int line, const char* format, ...)
    __attribute__((format(printf, 3, 4)));

// Tells the runtime every variable and array, sorted by address. Called before the launch.
__attribute__((visibility("default"))) void xp_memory(XpVariable* variables, int count);
XP_HIDDEN extern const XpVariable* xp_variables;
XP_HIDDEN extern int xp_variable_count;

// Notes something wrong and goes on. `kind` is a key of `findings.KINDS`, `line` that of the call.
// The same kind at the same place is counted.
XP_HIDDEN void xp_finding(const char* kind, int line, const void* address, int bytes,
                          const char* format, ...) __attribute__((format(printf, 5, 6)));
// The two halves of it: who does it now, and the entry in the report.
XP_HIDDEN void xp_describe(XpFinding* finding, const char* kind, const void* address, int bytes);
XP_HIDDEN void xp_note(const XpFinding* finding);

// What a checked build wants to know; `xp_checks` is null in others.
struct XpChecks {
  void (*start)(unsigned long shared_begin, unsigned long shared_end);  // of static shared memory
  void (*block)();                 // a block starts
  void (*enter)(unsigned thread);  // a thread starts or goes on
  void (*barrier)();               // every live thread of the block has arrived
  void (*sync)(unsigned first, unsigned long long lanes);  // lanes of the warp that begins at first
  void (*end)();
  // a copy starts, of whose `bytes` only `given` are read, and one has arrived
  void (*copy_starts)(void* to, unsigned bytes, const void* from, unsigned given, void* place,
                      void* frame);
  void (*copy_ends)(void* to, unsigned bytes);
  // a vector operation begins or ends: its elements are computed one after the other, and what
  // comes of memory that nothing has written counts as not written either
  void (*vector)(bool begins);
  void (*cluster)(int cluster);  // what lies in SRAM is that of a cluster
};
extern XP_HIDDEN const XpChecks* xp_checks;

// Of `async_copies.cc`: shared memory by numbers of 32 bits; copies of up to 16 bytes, of which those
// behind `given` are zeros; waiting for all of this thread's but the last `groups_left` groups.
XP_HIDDEN unsigned xp_shared_number(const void* address);
XP_HIDDEN void* xp_shared_address(unsigned long number, int site);
XP_HIDDEN void xp_copy_start(void* to, unsigned bytes, const void* from, unsigned given);
XP_HIDDEN void xp_copies_commit();
XP_HIDDEN void xp_copies_wait(unsigned groups_left);

// Whether an address lies in a record of a collective.
XP_HIDDEN bool xp_is_record(const void* address);

// Called, where set, before a thread goes on (`fresh`: starts) and before it waits. `thread` counts
// within the block.
extern XP_HIDDEN void (*xp_on_enter)(unsigned thread, int fresh);
extern XP_HIDDEN void (*xp_on_leave)(unsigned thread);

// Called, where set, when a thread has returned from the kernel, while it still is the running one.
extern XP_HIDDEN void (*xp_on_end)(unsigned thread);

// Makes the running thread wait until another calls `xp_wake` for it. Whoever uses these finds out by
// itself when nobody is left to do so.
XP_HIDDEN void xp_park(int site);
XP_HIDDEN void xp_wake(unsigned thread);

// The launch that runs, and whether an address lies on a thread's stack.
XP_HIDDEN const XpLaunch* xp_launched();
XP_HIDDEN bool xp_on_stack(const void* address);

// Runs the kernel over the whole grid: 0, or 1 with `launch->report` filled in. `loop`: one call of
// `invoke` runs it all.
XP_HIDDEN int xp_run(const XpLaunch* launch, XpInvoke invoke, const XpArg* args, bool loop);
}

#ifdef XP_LOOP
// Nobody outside of the kernel's own translation unit sees these, so they can live in registers.
static xp_uint3 threadIdx, blockIdx, blockDim, gridDim;
#define xp_lane \
  (((threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x) % xp_launched()->warp)
#endif

// Around the accesses of an atomic operation: in a checked build they do not race with those of
// other atomic operations.
#ifdef XP_CHECKED
extern "C" XP_HIDDEN void xp_atomic_begin(const void* address, unsigned bytes);
extern "C" XP_HIDDEN void xp_atomic_end();
// __threadfence: orders this thread's accesses for other blocks
extern "C" XP_HIDDEN void xp_fence();
// memmove and memset of the kernel's memory where the size is known only when they run
extern "C" XP_HIDDEN void xp_copy(void* to, const void* from, unsigned long bytes);
extern "C" XP_HIDDEN void xp_set(void* to, int byte, unsigned long bytes);
// what the kernel gets from the heap, and gives back
extern "C" XP_HIDDEN void* xp_allocated(void* address, unsigned long bytes, bool cleared);
extern "C" XP_HIDDEN void* xp_freed(void* address);
#else
inline void xp_atomic_begin(const void*, unsigned) {}
inline void xp_atomic_end() {}
inline void xp_fence() {}
inline void xp_copy(void* to, const void* from, unsigned long bytes) {
  __builtin_memmove(to, from, bytes);
}
inline void xp_set(void* to, int byte, unsigned long bytes) { __builtin_memset(to, byte, bytes); }
inline void* xp_allocated(void* address, unsigned long, bool) { return address; }
inline void* xp_freed(void* address) { return address; }
#endif
struct XpAtomicScope {
  XpAtomicScope(const void* address, unsigned bytes) { xp_atomic_begin(address, bytes); }
  ~XpAtomicScope() { xp_atomic_end(); }
};
