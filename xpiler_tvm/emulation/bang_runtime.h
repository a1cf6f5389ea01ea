// The border between BANG C text and its precompiled runtime.
#pragma once

#include "runtime.h"

extern "C" {

extern XP_HIDDEN int taskId, taskIdX, taskIdY, taskIdZ, taskDim, taskDimX, taskDimY, taskDimZ;
extern XP_HIDDEN int clusterId, clusterDim, coreId, coreDim;

// Prepares the cores' memories; called after `xp_memory`.
__attribute__((visibility("default"))) void xp_bang_start();

// Ends the run with XP5002 unless `bytes` bytes at `address` lie in one variable, in one of
// `spaces`. `role` says which operand of the intrinsic it is.
XP_HIDDEN void xp_operand(const char* intrinsic, int line, const char* role, const void* address,
                          long long bytes, int spaces);

// Ends the run with XP5002 where two operands overlap without being the same, or are the same
// where they must not be.
XP_HIDDEN void xp_overlap(const char* intrinsic, int line, const void* dst, long long dst_bytes,
                          const void* src, long long src_bytes, int in_place);
}
