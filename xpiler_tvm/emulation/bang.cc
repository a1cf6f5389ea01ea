// Memories and ids of MLU cores. Cores are the fibers of runtime.cc: a job is its block, a cluster
// its warp. Variables in NRAM exist once in the library but once per core on the device, so their
// contents are exchanged when another core goes on, which happens only where cores wait.
#include "bang_runtime.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
XP_HIDDEN int taskId, taskIdX, taskIdY, taskIdZ, taskDim, taskDimX, taskDimY, taskDimZ;
XP_HIDDEN int clusterId, clusterDim, coreId, coreDim;
}

static const int kCores = 4;          // IPU cores of a cluster
static const int kMemoryCore = 0x80;  // coreId of the MPU

static const char* space_name(int space) {
  switch (space) {
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

extern "C" void xp_operand(const char* intrinsic, int line, const char* role, const void* address,
                           long long bytes, int spaces) {
  if (coreId == kMemoryCore && (spaces & (XP_NRAM | XP_WRAM))) {
    xp_fail(5002, line, "%s runs on the memory core, which has no NRAM", intrinsic);
  }
  if (bytes <= 0) xp_fail(5002, line, "%s: %s has %lld bytes", intrinsic, role, bytes);
  const unsigned char* place = static_cast<const unsigned char*>(address);
  const XpVariable* variable = find(address);
  if (!variable || place >= variable->address + variable->size) {
    // The stack lies in NRAM by default, so its variables are good operands.
    if ((spaces & (XP_NRAM | XP_LDRAM)) && xp_on_stack(address)) return;
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
  if (!*slot) *slot = static_cast<unsigned char*>(malloc(bytes ? bytes : 1));
  if (!*slot) xp_fail(5005, 0, "no memory for the contents of waiting cores");
}

static void leave(unsigned core) {
  keep(&core_slots[core], core_bytes);
  save(per_core, core_slots[core]);
}

static void enter(unsigned core, int fresh) {
  const XpLaunch* launch = xp_launched();
  const int lanes = launch->warp, jobs = launch->clusters;
  const int cluster = jobs ? core / lanes : 0, lane = core % lanes;
  if (fresh && core == 0) {
    for (int i = 0; i < jobs; ++i) {
      free(cluster_slots[i]);
      cluster_slots[i] = nullptr;
    }
    live_cluster = 0;
    restore(per_cluster, nullptr);
  } else if (cluster != live_cluster) {
    keep(&cluster_slots[live_cluster], cluster_bytes);
    save(per_cluster, cluster_slots[live_cluster]);
    restore(per_cluster, cluster_slots[cluster]);
    live_cluster = cluster;
  }
  restore(per_core, fresh ? nullptr : core_slots[core]);
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

extern "C" void xp_bang_start() {
  for (int i = 0; i < xp_variable_count; ++i) {
    const XpVariable& variable = xp_variables[i];
    if (per_core(variable)) core_bytes += variable.size;
    if (per_cluster(variable)) cluster_bytes += variable.size;
  }
  core_slots = static_cast<unsigned char**>(calloc(1024, sizeof(char*)));
  cluster_slots = static_cast<unsigned char**>(calloc(1024, sizeof(char*)));
  xp_on_enter = enter;
  xp_on_leave = leave;
}
