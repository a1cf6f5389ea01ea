// The border between BANG C text and its precompiled runtime.
#pragma once

#include "runtime.h"

// Memories, as bits: an operand may be allowed in several. Mirrored by `bang.SPACES`.
enum { XP_GDRAM = 1, XP_NRAM = 2, XP_WRAM = 4, XP_SRAM = 8, XP_LDRAM = 16 };

// A variable or array whose place is known.
struct XpVariable {
  const char* name;
  unsigned char* address;
  unsigned long long size;
  int spaces;  // one bit; two where the compiler lost which one a variable of a template was in
};

extern "C" {

extern XP_HIDDEN int taskId, taskIdX, taskIdY, taskIdZ, taskDim, taskDimX, taskDimY, taskDimZ;
extern XP_HIDDEN int clusterId, clusterDim, coreId, coreDim;

// Tells the runtime every variable and array, sorted by address. Called before the launch.
__attribute__((visibility("default"))) void xp_bang_memory(const XpVariable* variables, int count);

// Ends the run with XP5002 unless `bytes` bytes at `address` lie in one variable, in one of
// `spaces`. `role` says which operand of the intrinsic it is.
XP_HIDDEN void xp_operand(const char* intrinsic, int line, const char* role, const void* address,
                          long long bytes, int spaces);

// Ends the run with XP5002 where two operands overlap without being the same, or are the same
// where they must not be.
XP_HIDDEN void xp_overlap(const char* intrinsic, int line, const void* dst, long long dst_bytes,
                          const void* src, long long src_bytes, int in_place);
}
