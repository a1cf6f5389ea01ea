// Memories, copies and barriers of MLU cores. Cores are the fibers of runtime.cc: a job is its block,
// a cluster its warp. Variables in NRAM exist once in the library but once per core on the device,
// so their contents are exchanged when another core goes on, which happens only where cores wait.
#include "bang_runtime.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
XP_HIDDEN int taskId, taskIdX, taskIdY, taskIdZ, taskDim, taskDimX, taskDimY, taskDimZ;
XP_HIDDEN int clusterId, clusterDim, coreId, coreDim;
}

static const int kCores = 4;           // IPU cores of a cluster
static const int kMemoryCore = 0x80;   // coreId of the MPU
static const unsigned kMostCores = 1024;

static unsigned self;  // the running core's number in its job

static const char* space_name(int space) {
  switch (space & ~(XP_WRITTEN | XP_STACK)) {
    case XP_GDRAM: return "GDRAM";
    case XP_NRAM: return "NRAM";
    case XP_WRAM: return "WRAM";
    case XP_SRAM: return "SRAM";
    case XP_LDRAM: return "LDRAM";
    case XP_NRAM | XP_WRAM: return "NRAM or WRAM";
    default: return "on-chip memory";
  }
}

// The variable at or before `address`; `nullptr` before the first.
static const XpVariable* find(const void* address) {
  static const XpVariable* last = nullptr;
  const unsigned char* place = static_cast<const unsigned char*>(address);
  if (last && place >= last->address && place < last->address + last->size) return last;
  int low = 0, high = xp_variable_count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (xp_variables[middle].address <= place) low = middle + 1;
    else high = middle;
  }
  return low ? last = &xp_variables[low - 1] : nullptr;
}

static void check_place(const char* intrinsic, int line, const char* role, const void* address,
                        long long bytes, int spaces) {
  if (coreId == kMemoryCore && (spaces & (XP_NRAM | XP_WRAM))) {
    xp_fail(5002, line, "%s runs on the memory core, which has no NRAM", intrinsic);
  }
  if (bytes <= 0) xp_fail(5002, line, "%s: %s has %lld bytes", intrinsic, role, bytes);
  const unsigned char* place = static_cast<const unsigned char*>(address);
  const XpVariable* variable = find(address);
  if (!variable || place >= variable->address + variable->size) {
    // The stack lies in NRAM by default, so its variables are good operands.
    if ((spaces & (XP_NRAM | XP_LDRAM | XP_STACK)) && xp_on_stack(address)) return;
    if (variable && place < variable->address + variable->size + 4096) {
      xp_fail(5002, line, "%s: %s begins %lld bytes behind the end of '%s'", intrinsic, role,
              (long long)(place - variable->address - variable->size), variable->name);
    }
    xp_fail(5002, line, "%s: %s points to no variable", intrinsic, role);
  }
  if (!(variable->spaces & spaces)) {
    xp_fail(5002, line, "%s: %s '%s' lies in %s, not in %s", intrinsic, role, variable->name,
            space_name(variable->spaces), space_name(spaces));
  }
  const unsigned char* end = variable->address + variable->size;
  if (place + bytes > end) {
    xp_fail(5002, line, "%s: %s takes %lld bytes at byte %lld of '%s', which has %llu", intrinsic,
            role, bytes, (long long)(place - variable->address), variable->name, variable->size);
  }
}

extern "C" void xp_elements(bool begin) {
  if (xp_checks) xp_checks->vector(begin);
}

extern "C" void xp_overlap(const char* intrinsic, int line, const void* dst, long long dst_bytes,
                           const void* src, long long src_bytes, int in_place) {
  const char *d = static_cast<const char*>(dst), *s = static_cast<const char*>(src);
  if (d == s && in_place) return;
  if (d < s + src_bytes && s < d + dst_bytes) {
    xp_fail(5002, line, d == s ? "%s does not work in place" : "%s: operands overlap in part",
            intrinsic);
  }
}

// ---------------------------------------------------------------------------------------------
// One copy of the per-core memories for each core that waits, of SRAM for each other cluster

static size_t core_bytes, cluster_bytes;
static unsigned char** core_slots;
static unsigned char** cluster_slots;
static int live_cluster;

static bool per_core(const XpVariable& v) { return v.spaces & (XP_NRAM | XP_WRAM | XP_LDRAM); }
static bool per_cluster(const XpVariable& v) { return v.spaces & XP_SRAM; }

template <class Which>
static void save(Which which, unsigned char* slot) {
  for (int i = 0; i < xp_variable_count; ++i) {
    if (!which(xp_variables[i])) continue;
    memcpy(slot, xp_variables[i].address, xp_variables[i].size);
    slot += xp_variables[i].size;
  }
}

// Without a slot the memory becomes NaN: it holds nothing yet.
template <class Which>
static void restore(Which which, const unsigned char* slot) {
  for (int i = 0; i < xp_variable_count; ++i) {
    if (!which(xp_variables[i])) continue;
    if (slot) {
      memcpy(xp_variables[i].address, slot, xp_variables[i].size);
      slot += xp_variables[i].size;
    } else {
      memset(xp_variables[i].address, 0xff, xp_variables[i].size);
    }
  }
}

static void keep(unsigned char** slot, size_t bytes) {
  if (*slot) return;
  *slot = static_cast<unsigned char*>(malloc(bytes ? bytes : 1));
  if (!*slot) xp_fail(5005, 0, "no memory for the contents of waiting cores");
  memset(*slot, 0xff, bytes);
}

static void leave(unsigned core) {
  keep(&core_slots[core], core_bytes);
  save(per_core, core_slots[core]);
}

// Variables in SRAM become those of a cluster.
static void show_cluster(int cluster) {
  if (cluster != live_cluster) {
    keep(&cluster_slots[live_cluster], cluster_bytes);
    save(per_cluster, cluster_slots[live_cluster]);
    restore(per_cluster, cluster_slots[cluster]);
    live_cluster = cluster;
  }
  if (xp_checks) xp_checks->cluster(cluster);
}

// ---------------------------------------------------------------------------------------------
// Copies that are under way, of each core in the order in which they were issued. They are made at
// the last moment that the sync functions allow, so that a missing one shows in the values.

enum Side { kSource, kTarget };

struct Queue {
  XpCopy* copies;
  int count, room;
};
static Queue* queues;

static int unit(const XpCopy& copy) {
  return ((copy.from | copy.to) & (XP_GDRAM | XP_LDRAM)) != 0;
}

// One segment, into SRAM of another cluster by way of the stack.
static void move_segment(const XpCopy& copy, char* dst, const char* src) {
  const int own = live_cluster;
  if (copy.cluster < 0 || copy.cluster == own) {
    copy.move(dst, src, copy.size);
    return;
  }
  char held[1024];
  for (long long done = 0; done < copy.size; done += sizeof held) {
    const long long left = copy.size - done;
    const unsigned long bytes = left < (long long)sizeof held ? left : sizeof held;
    copy.move(held, src + done, bytes);
    show_cluster(copy.cluster);
    copy.move(dst + done, held, bytes);
    show_cluster(own);
  }
}

static void perform(const XpCopy& copy) {
  const long long count = (copy.dst_segments[0] + 1) * (copy.dst_segments[1] + 1);
  char* dst = static_cast<char*>(copy.dst);
  const char* src = static_cast<const char*>(copy.src);
  for (long long i = 0; i < count; ++i) {
    // Segment i in the source's order goes to segment i in the destination's.
    const long long d0 = i % (copy.dst_segments[0] + 1), d1 = i / (copy.dst_segments[0] + 1);
    const long long s0 = i % (copy.src_segments[0] + 1), s1 = i / (copy.src_segments[0] + 1);
    move_segment(copy, dst + d0 * copy.dst_stride[0] + d1 * copy.dst_stride[1],
                 src + s0 * copy.src_stride[0] + s1 * copy.src_stride[1]);
  }
}

struct Box {
  const char* low;
  long long bytes;
};

// From the lowest to the highest byte that one side of a copy touches.
static Box box(const XpCopy& copy, Side side) {
  const char* low = static_cast<const char*>(side == kTarget ? copy.dst : copy.src);
  long long bytes = copy.size;
  for (int i = 0; i < 2; ++i) {
    const long long stride = side == kTarget ? copy.dst_stride[i] : copy.src_stride[i];
    const long long span = stride * (side == kTarget ? copy.dst_segments[i] : copy.src_segments[i]);
    if (span < 0) low += span;
    bytes += span < 0 ? -span : span;
  }
  return {low, bytes};
}

static bool touches(const XpCopy& copy, Side side, const char* low, long long bytes) {
  const Box all = box(copy, side);
  if (low >= all.low + all.bytes || all.low >= low + bytes) return false;
  const long long* segments = side == kTarget ? copy.dst_segments : copy.src_segments;
  const long long* strides = side == kTarget ? copy.dst_stride : copy.src_stride;
  const char* start = static_cast<const char*>(side == kTarget ? copy.dst : copy.src);
  for (long long j = 0; j <= segments[1]; ++j) {
    const char* row = start + j * strides[1];
    for (long long i = 0; i <= segments[0]; ++i) {
      const char* place = row + i * strides[0];
      if (low < place + copy.size && place < low + bytes) return true;
    }
  }
  return false;
}

// Whether a side of a copy lies in memories that this core sees.
static bool visible(const XpCopy& copy, Side side) {
  return side == kSource || copy.cluster < 0 || copy.cluster == live_cluster;
}

// The copy that an access collides with. Other cores have none: they wait only where theirs end.
static const XpCopy* collision(const void* address, long long bytes, bool written) {
  const char* low = static_cast<const char*>(address);
  const Queue& queue = queues[self];
  for (int i = 0; i < queue.count; ++i) {
    const XpCopy& copy = queue.copies[i];
    if (visible(copy, kTarget) && touches(copy, kTarget, low, bytes)) return &copy;
    if (written && touches(copy, kSource, low, bytes)) return &copy;
  }
  return nullptr;
}

static void note(const char* intrinsic, int line, const char* role, const void* address,
                 long long bytes, const XpCopy& copy, Side side) {
  xp_finding("asynchronous access", line, address, (int)bytes, "%s: %s %s the copy of line %d is still %s",
             intrinsic, role, side == kTarget ? "is what" : "overwrites what", copy.line,
             side == kTarget ? "writing" : "reading");
}

extern "C" void xp_operand(const char* intrinsic, int line, const char* role, const void* address,
                           long long bytes, int spaces) {
  check_place(intrinsic, line, role, address, bytes, spaces);
  const XpCopy* copy = collision(address, bytes, spaces & XP_WRITTEN);
  if (!copy) return;
  const bool target = touches(*copy, kTarget, static_cast<const char*>(address), bytes);
  note(intrinsic, line, role, address, bytes, *copy, target ? kTarget : kSource);
}

extern "C" void xp_finish_copies(unsigned directions) {
  Queue& queue = queues[self];
  // A unit keeps the order: what was issued before the last one that is waited for is done too.
  int last[2] = {-1, -1};
  for (int i = 0; i < queue.count; ++i) {
    if (directions >> queue.copies[i].direction & 1) last[unit(queue.copies[i])] = i;
  }
  int left = 0;
  for (int i = 0; i < queue.count; ++i) {
    if (i <= last[unit(queue.copies[i])]) perform(queue.copies[i]);
    else queue.copies[left++] = queue.copies[i];
  }
  queue.count = left;
}

// ---------------------------------------------------------------------------------------------
// Rules of copies

static void check_wram(const XpCopy& copy, const void* address, const long long* strides,
                       const char* role) {
  if (reinterpret_cast<uintptr_t>(address) % 8) {
    xp_fail(5002, copy.line, "%s: %s in WRAM lies at no multiple of 8 bytes", copy.name, role);
  }
  if (copy.has_strides && (strides[0] % 8 || strides[1] % 8)) {
    xp_fail(5002, copy.line, "%s: a stride in WRAM is a multiple of 8 bytes", copy.name);
  }
  if (copy.has_strides) return;
  if (copy.size % 16) {
    xp_fail(5002, copy.line,
            "%s: %lld bytes from or to WRAM; without strides it is a multiple of 16", copy.name,
            copy.size);
  }
  if (copy.to == XP_WRAM && copy.size % 512) {
    xp_finding("range", copy.line, address, (int)copy.size,
               "%s: %lld bytes are no multiple of 8 in each of the 64 banks of WRAM: the banks' ends "
               "are undefined", copy.name, copy.size);
  }
}

static void check(const XpCopy& copy) {
  const char* name = copy.name;
  if (!copy.has_strides ? !copy.plain : !copy.strided) {
    xp_fail(5002, copy.line, "%s: there are no copies from %s to %s %s strides", name,
            space_name(copy.from), space_name(copy.to), copy.has_strides ? "with" : "without");
  }
  const XpLaunch* launch = xp_launched();
  if (!launch->clusters && ((copy.from | copy.to) & XP_SRAM)) {
    xp_fail(5002, copy.line, "%s: a block job has no SRAM, a union job has", name);
  }
  if (copy.cluster >= 0 && copy.from != XP_SRAM) {
    xp_fail(5002, copy.line, "%s: only copies from SRAM to SRAM name a cluster", name);
  }
  if (copy.cluster >= (int)launch->clusters) {
    xp_fail(5002, copy.line, "%s: cluster %d of a job of %u", name, copy.cluster, launch->clusters);
  }
  for (int i = 0; i < 2; ++i) {
    const long long most = copy.dst_segments[i] > copy.src_segments[i] ? copy.dst_segments[i]
                                                                      : copy.src_segments[i];
    const long long least = copy.dst_segments[i] < copy.src_segments[i] ? copy.dst_segments[i]
                                                                       : copy.src_segments[i];
    if (least < 0 || most > 65535) {
      xp_fail(5002, copy.line, "%s: %lld segments less one are outside 0 to 65535", name,
              least < 0 ? least : most);
    }
    const long long stride = copy.dst_stride[i] < 0 ? -copy.dst_stride[i] : copy.dst_stride[i];
    if (copy.dst_segments[i] && stride < copy.size) {
      xp_fail(5002, copy.line,
              "%s: the destination's stride of %lld bytes is smaller than a segment of %lld", name,
              copy.dst_stride[i], copy.size);
    }
  }
  const long long count = (copy.dst_segments[0] + 1) * (copy.dst_segments[1] + 1);
  const long long other = (copy.src_segments[0] + 1) * (copy.src_segments[1] + 1);
  if (count != other) {
    xp_fail(5002, copy.line, "%s: the destination has %lld segments, the source %lld", name, count,
            other);
  }
  if (copy.size <= 0) xp_fail(5002, copy.line, "%s: %lld bytes", name, copy.size);
  const Box target = box(copy, kTarget), source = box(copy, kSource);
  check_place(name, copy.line, "the destination", target.low, target.bytes,
              copy.to == XP_WRAM ? copy.to | copy.on_stack : copy.to);
  check_place(name, copy.line, "the source", source.low, source.bytes,
              copy.from == XP_WRAM ? copy.from | copy.on_stack : copy.from);
  if (copy.to == XP_WRAM) check_wram(copy, copy.dst, copy.dst_stride, "the destination");
  if (copy.from == XP_WRAM) check_wram(copy, copy.src, copy.src_stride, "the source");
}

// ---------------------------------------------------------------------------------------------
// Weights in WRAM that were copied bank by bank, with the banks' stride

struct Laned {
  const char *begin, *end;  // of what was copied into the first bank
  long long stride;
};
struct LanedList {
  Laned entries[64];
  int count;
};
static LanedList* laned;  // of each core

static void note_lanes(const XpCopy& copy) {
  LanedList& list = laned[self];
  const char* begin = static_cast<const char*>(copy.dst);
  const Box all = box(copy, kTarget);
  int left = 0;
  for (int i = 0; i < list.count; ++i) {
    const Laned old = list.entries[i];
    if (old.end <= all.low || old.begin >= all.low + all.bytes) list.entries[left++] = old;
  }
  list.count = left;
  const bool banks = copy.has_strides && copy.dst_segments[0] > 0 &&
                     copy.dst_stride[0] == copy.lane_stride;
  if (!banks) return;
  if (list.count == 64) xp_fail(5005, copy.line, "more than 64 blocks of weights in WRAM");
  const long long rows = copy.dst_segments[1];
  list.entries[list.count++] = {begin, begin + rows * copy.dst_stride[1] + copy.size,
                                copy.lane_stride};
}

extern "C" long long xp_lanes(const void* address) {
  const char* place = static_cast<const char*>(address);
  for (int i = 0; i < laned[self].count; ++i) {
    const Laned& entry = laned[self].entries[i];
    if (place >= entry.begin && place < entry.end) return entry.stride;
  }
  return 0;
}

// Whether a side of one copy and a side of another share a byte.
static bool meet(const XpCopy& one, Side side, const XpCopy& other, Side other_side) {
  const Box all = box(other, other_side);
  if (!touches(one, side, all.low, all.bytes)) return false;
  const long long* segments = other_side == kTarget ? other.dst_segments : other.src_segments;
  const long long* strides = other_side == kTarget ? other.dst_stride : other.src_stride;
  const void* start = other_side == kTarget ? other.dst : other.src;
  for (long long j = 0; j <= segments[1]; ++j) {
    for (long long i = 0; i <= segments[0]; ++i) {
      const char* place = static_cast<const char*>(start) + j * strides[1] + i * strides[0];
      if (touches(one, side, place, other.size)) return true;
    }
  }
  return false;
}

// Copies of one unit stay in order, so only those of the other can collide.
static void look_for_collisions(const XpCopy& copy) {
  const Queue& queue = queues[self];
  for (int i = 0; i < queue.count; ++i) {
    const XpCopy& old = queue.copies[i];
    if (unit(old) == unit(copy)) continue;
    const struct {
      Side old_side, side;
    } pairs[] = {{kTarget, kTarget}, {kTarget, kSource}, {kSource, kTarget}};
    for (const auto& pair : pairs) {
      if (!visible(old, pair.old_side) || !visible(copy, pair.side)) continue;
      if (!meet(old, pair.old_side, copy, pair.side)) continue;
      note(copy.name, copy.line, pair.side == kTarget ? "the destination" : "the source",
           box(copy, pair.side).low, copy.size, old, pair.old_side);
    }
  }
}

extern "C" void xp_copy_now(const XpCopy* copy) {
  check(*copy);
  unsigned mine = 0;
  const Queue& queue = queues[self];
  for (int i = 0; i < queue.count; ++i) {
    if (unit(queue.copies[i]) == unit(*copy)) mine |= 1u << queue.copies[i].direction;
  }
  if (mine) xp_finish_copies(mine);
  look_for_collisions(*copy);
  if (copy->to == XP_WRAM) note_lanes(*copy);
  perform(*copy);
}

extern "C" void xp_copy_later(const XpCopy* copy) {
  check(*copy);
  look_for_collisions(*copy);
  if (copy->to == XP_WRAM) note_lanes(*copy);
  Queue& queue = queues[self];
  if (queue.count == queue.room) {
    queue.room = queue.room ? 2 * queue.room : 16;
    queue.copies = static_cast<XpCopy*>(realloc(queue.copies, queue.room * sizeof(XpCopy)));
    if (!queue.copies) xp_fail(5005, copy->line, "no memory for copies that are under way");
  }
  queue.copies[queue.count++] = *copy;
}

// ---------------------------------------------------------------------------------------------
// Barriers. The hardware counts who comes; a core that has returned never comes.

struct Waiting {
  int group, cluster, line;  // line 0: the core does not wait
};
static Waiting* waiting;
static unsigned live, waiting_count;

static unsigned needed(int group) {
  const XpLaunch* launch = xp_launched();
  const unsigned lanes = launch->warp, clusters = launch->clusters;
  switch (group) {
    case XP_MEET_CLUSTER: return lanes;
    case XP_MEET_ALL: return lanes * clusters;
    case XP_MEET_IPU: return kCores * clusters;
    default: return (lanes - kCores) * clusters;
  }
}

static bool same_meeting(const Waiting& one, int group, int cluster) {
  return one.line && one.group == group && (group != XP_MEET_CLUSTER || one.cluster == cluster);
}

static unsigned come(int group, int cluster) {
  unsigned count = 0;
  for (unsigned core = 0; core < xp_launched()->block[0]; ++core) {
    count += same_meeting(waiting[core], group, cluster);
  }
  return count;
}

// Nobody is left who could open a barrier.
static void report_deadlock() {
  const XpLaunch* launch = xp_launched();
  const unsigned cores = launch->block[0];
  unsigned first = 0;
  while (!waiting[first].line) ++first;
  const Waiting& one = waiting[first];
  const unsigned wanted = needed(one.group), here = come(one.group, one.cluster);
  for (unsigned core = first; core < cores; ++core) {
    const Waiting& other = waiting[core];
    if (!other.line || same_meeting(other, one.group, one.cluster)) continue;
    xp_fail(5008, one.line,
            "%u of %u cores have come to the barrier in line %d, and core %u of cluster %u waits at "
            "another one in line %d",
            here, wanted, one.line, core % launch->warp, core / launch->warp, other.line);
  }
  xp_fail(5008, one.line,
          "%u of %u cores have come to the barrier in line %d; the others have returned%s", here,
          wanted, one.line,
          launch->warp > (unsigned)kCores ? ". The memory core counts where the barrier is for all"
                                          : "");
}

extern "C" void xp_meet(int group, int line) {
  const XpLaunch* launch = xp_launched();
  const bool memory_core = coreId == kMemoryCore;
  if ((group == XP_MEET_IPU && memory_core) || (group == XP_MEET_MPU && !memory_core)) return;
  xp_finish_copies(~0u);
  if (!launch->clusters) return;
  const int cluster = self / launch->warp;
  waiting[self] = {group, cluster, line > 0 ? line : 1};
  ++waiting_count;
  if (come(group, cluster) < needed(group)) {
    if (waiting_count == live) report_deadlock();
    xp_park(line);
    return;
  }
  if (xp_checks) {
    if (group == XP_MEET_CLUSTER) xp_checks->sync(cluster * launch->warp, (1ull << launch->warp) - 1);
    else xp_checks->barrier();
  }
  for (unsigned core = 0; core < launch->block[0]; ++core) {
    if (!same_meeting(waiting[core], group, cluster)) continue;
    waiting[core].line = 0;
    --waiting_count;
    if (core != self) xp_wake(core);
  }
}

static void end(unsigned) {
  const Queue& queue = queues[self];
  if (queue.count) {
    const XpCopy& copy = queue.copies[0];
    xp_finding("asynchronous access", copy.line, copy.dst, (int)copy.size,
               "%s: the kernel ends while this copy is under way", copy.name);
  }
  xp_finish_copies(~0u);
  --live;
  if (waiting_count && waiting_count == live) report_deadlock();
}

// ---------------------------------------------------------------------------------------------
// A core starts or goes on

static void enter(unsigned core, int fresh) {
  const XpLaunch* launch = xp_launched();
  const int lanes = launch->warp, jobs = launch->clusters;
  const int cluster = jobs ? core / lanes : 0, lane = core % lanes;
  self = core;
  if (fresh && core == 0) {
    for (int i = 0; i < jobs; ++i) {
      free(cluster_slots[i]);
      cluster_slots[i] = nullptr;
    }
    live_cluster = 0;
    live = launch->block[0];
    restore(per_cluster, nullptr);
  }
  show_cluster(cluster);
  restore(per_core, fresh ? nullptr : core_slots[core]);
  if (fresh) laned[core].count = 0;
  const bool memory_core = jobs && lane == kCores;
  taskIdX = jobs ? (blockIdx.x * jobs + cluster) * kCores + (memory_core ? 0 : lane) : blockIdx.x;
  taskIdY = blockIdx.y;
  taskIdZ = blockIdx.z;
  taskDimX = jobs ? gridDim.x * jobs * kCores : gridDim.x;
  taskDimY = gridDim.y;
  taskDimZ = gridDim.z;
  taskDim = taskDimX * taskDimY * taskDimZ;
  taskId = (taskIdZ * taskDimY + taskIdY) * taskDimX + taskIdX;
  coreDim = kCores;
  clusterDim = jobs;
  // What a block job reads here is not documented; we put its tasks on cores in order.
  clusterId = jobs ? cluster : taskIdX / kCores;
  coreId = memory_core ? kMemoryCore : jobs ? lane : taskIdX % kCores;
}

template <class T>
static T* make() {
  return static_cast<T*>(calloc(kMostCores, sizeof(T)));
}

extern "C" void xp_bang_start() {
  for (int i = 0; i < xp_variable_count; ++i) {
    const XpVariable& variable = xp_variables[i];
    if (per_core(variable)) core_bytes += variable.size;
    if (per_cluster(variable)) cluster_bytes += variable.size;
  }
  core_slots = make<unsigned char*>();
  cluster_slots = make<unsigned char*>();
  queues = make<Queue>();
  laned = make<LanedList>();
  waiting = make<Waiting>();
  xp_on_enter = enter;
  xp_on_leave = leave;
  xp_on_end = end;
}
