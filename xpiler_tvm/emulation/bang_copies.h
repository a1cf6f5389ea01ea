// `__memcpy` and `__memcpy_async`: in one to three dimensions, within a core, a cluster or a job.
#pragma once

inline void xp_move(void* to, const void* from, unsigned long bytes) { xp_copy(to, from, bytes); }

// Counts of segments are less one; [0] is the inner loop.
inline XpCopy xp_copy_of(const char* name, int line, void* dst, const void* src, int size,
                         mluMemcpyDirection_t direction, int cluster) {
  const XpDirection& row = xp_directions[direction];
  XpCopy copy = {};
  copy.name = name, copy.line = line;
  copy.dst = dst, copy.src = src, copy.size = size;
  copy.direction = direction, copy.from = row.from, copy.to = row.to;
  copy.on_stack = XP_WEIGHTS & XP_STACK;
  copy.plain = row.plain, copy.strided = row.strided;
  copy.cluster = cluster, copy.lane_stride = XP_LANE_STRIDE;
  copy.move = xp_move;
  return copy;
}

// The compiler may not keep what lies in memory across a copy that the runtime makes.
#define XP_COPIES(name, issue)                                                                  \
  inline void name(void* dst, const void* src, int size, mluMemcpyDirection_t direction,        \
                   int dst_cluster = -1, XpLine at = XpLine()) {                                \
    const XpCopy copy = xp_copy_of(#name, at.line, dst, src, size, direction, dst_cluster);     \
    issue(&copy);                                                                               \
    __asm__ volatile("" ::: "memory");                                                          \
  }                                                                                             \
  inline void name(void* dst, const void* src, int size, mluMemcpyDirection_t direction,        \
                   int dst_stride, int dst_segments, int dst_stride1, int dst_segments1,        \
                   int src_stride, int src_segments, int src_stride1, int src_segments1,        \
                   int dst_cluster = -1, XpLine at = XpLine()) {                                \
    XpCopy copy = xp_copy_of(#name, at.line, dst, src, size, direction, dst_cluster);           \
    copy.has_strides = true;                                                                    \
    copy.dst_stride[0] = dst_stride, copy.dst_segments[0] = dst_segments;                       \
    copy.dst_stride[1] = dst_stride1, copy.dst_segments[1] = dst_segments1;                     \
    copy.src_stride[0] = src_stride, copy.src_segments[0] = src_segments;                       \
    copy.src_stride[1] = src_stride1, copy.src_segments[1] = src_segments1;                     \
    issue(&copy);                                                                               \
    __asm__ volatile("" ::: "memory");                                                          \
  }                                                                                             \
  inline void name(void* dst, const void* src, int size, mluMemcpyDirection_t direction,        \
                   int dst_stride, int src_stride, int segments, int dst_cluster = -1,          \
                   XpLine at = XpLine()) {                                                      \
    name(dst, src, size, direction, dst_stride, segments, 0, 0, src_stride, segments, 0, 0,     \
         dst_cluster, at);                                                                      \
  }
XP_COPIES(__memcpy, xp_copy_now)
XP_COPIES(__memcpy_async, xp_copy_later)
#undef XP_COPIES
