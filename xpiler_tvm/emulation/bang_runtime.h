// The border between BANG C text and its precompiled runtime.
#pragma once

#include "runtime.h"

// Beside the memories' bits: the operand is written, not read; it may lie on the stack.
enum { XP_WRITTEN = 256, XP_STACK = 512 };

// Who meets at a barrier.
enum { XP_MEET_CLUSTER, XP_MEET_ALL, XP_MEET_IPU, XP_MEET_MPU };

// A direction of copies: the memories, and the forms in which it exists.
struct XpDirection {
  int from, to;
  bool plain, strided;
};

// A copy as it was asked for. Segments are counted less one, strides are bytes, [0] is the inner loop.
struct XpCopy {
  const char* name;
  int line;
  void* dst;
  const void* src;
  long long size;
  int direction, from, to;  // its number, and the memories
  bool plain, strided;      // as in XpDirection
  bool has_strides;
  int on_stack;             // XP_STACK where weights may lie there
  long long dst_stride[2], dst_segments[2], src_stride[2], src_segments[2];
  int cluster;              // whose SRAM the destination is; -1: of this one
  int lane_stride;          // how far apart the banks of WRAM are
  void (*move)(void* to, const void* from, unsigned long bytes);
};

extern "C" {

extern XP_HIDDEN int taskId, taskIdX, taskIdY, taskIdZ, taskDim, taskDimX, taskDimY, taskDimZ;
extern XP_HIDDEN int clusterId, clusterDim, coreId, coreDim;

// Prepares the cores' memories; called after `xp_memory`.
__attribute__((visibility("default"))) void xp_bang_start();

// Ends the run with XP5002 unless `bytes` bytes at `address` lie in one variable, in one of
// `spaces`. `role` says which operand of the intrinsic it is. Notes where a copy is under way that
// the access collides with.
XP_HIDDEN void xp_operand(const char* intrinsic, int line, const char* role, const void* address,
                          long long bytes, int spaces);

// Ends the run with XP5002 where two operands overlap without being the same, or are the same
// where they must not be.
XP_HIDDEN void xp_overlap(const char* intrinsic, int line, const void* dst, long long dst_bytes,
                          const void* src, long long src_bytes, int in_place);

// The elements of a vector operation are about to be computed, or have been; see `XpChecks`.
XP_HIDDEN void xp_elements(bool begin);

// Carries a copy out once the earlier ones of its unit have ended, or only notes that it is to be
// made. XP5002 where its direction, size, strides or places break a rule.
XP_HIDDEN void xp_copy_now(const XpCopy* copy);
XP_HIDDEN void xp_copy_later(const XpCopy* copy);

// Carries out this core's copies in the given directions (a bit each), and those before them.
XP_HIDDEN void xp_finish_copies(unsigned directions);

// Waits, with this core's copies done, until all others of the group have come.
XP_HIDDEN void xp_meet(int group, int line);

// The banks' stride where the weights at `address` were copied bank by bank, else 0.
XP_HIDDEN long long xp_lanes(const void* address);
}
