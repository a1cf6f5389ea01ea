// What a checked build is linked with. The compiler puts a call before every access to memory
// (-fsanitize=thread) and at arithmetic that C leaves undefined (-fsanitize=bounds,...); here
// these calls are answered: does the access lie in one variable, has it been written, and is it
// ordered after the accesses of other threads that it collides with?
//
// Order is happens-before, as in FastTrack (Flanagan and Freund, PLDI 2009), with clocks for what
// orders threads here. A thread counts its barriers; a block remembers every thread's count at its
// last barrier; the lanes of a warp know each other's counts through __syncwarp; and where a kernel
// uses __threadfence, atomic operations carry what was known before the fence to other threads.
#define XP_CHECKED 1
#include "runtime.h"

#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

namespace {

typedef uint32_t Clock;

// The accesses to one granule of memory that later ones are compared with: the last store and two
// loads, of different warps where there were such.
struct Access {
  uint32_t thread;  // 1 + number of the thread in the whole grid; 0: none
  Clock clock;
  uint32_t place;   // of the instruction, relative to the library
  uint16_t atomic;
  uint16_t without_value;  // a store of what was made of memory that nobody had written
};
struct Cell {
  Access store, load[2];
};

struct Region {
  const XpVariable* variable;
  uintptr_t begin, end;
  unsigned granule;  // bytes of a cell
  size_t cells;      // of one copy
  unsigned copies;   // one for each core or cluster that has this memory to itself
  Cell* shadow;
  bool filled;       // starts with a value
  bool per_block;    // and what it holds does not outlive a block
};

// What the kernel allocated goes by one name.
const XpVariable heap = {"allocated memory", nullptr, 0, 0, XP_GDRAM, 1, 1};

Region* regions;  // in the order of their addresses
int region_count, region_room;
Region* latest;   // that an access was found in
const XpLaunch* launch;
unsigned threads, lanes;

// --- clocks of the running block
Clock* clocks;         // of each thread: the number that its accesses bear now
Clock* at_barrier;     // what had passed of each thread at the last barrier
Clock* warp_knows;     // [thread][lane]: what had passed of a lane when the thread last heard of it
uint32_t block;        // number of the block in the grid
uint32_t self;         // number of the running thread in its block

// --- what fences and atomic operations carry between threads
struct Release {
  uint32_t block;
  Clock* covers;  // of each thread of that block
  Release* next;
};
struct Knowledge {
  Release* first;
};
struct Object {  // a word on which atomic operations meet
  uintptr_t address;
  Knowledge known;
  Object* next;
};
bool fenced;  // whether any thread has ever fenced
Clock *fence_clock, *known_at_fence;  // by thread; [thread][thread], made when first needed
Knowledge* thread_knows;
Knowledge block_knows;
Object* objects[1024];

bool in_atomic;
// In a vector operation, whose elements without a value are nobody's fault until one is used.
bool in_vector, element_without_value;

// Plain loads that collide with atomic operations alone: the first guess of a compare-and-swap
// loop. They are harmless where the same thread goes on to an atomic operation there.
struct Guess {
  uint32_t thread;
  XpFinding finding;
};
Guess* guesses;
unsigned guess_count;
const unsigned kMostGuesses = 4096;

// A store that collides with other accesses is harmless where it changes nothing, which is known
// when it is done: at the next call into this file.
struct {
  bool set;
  unsigned char old[16];
  XpFinding finding;
} pending;

uintptr_t library_begin, library_end, tls_begin, tls_end;

template <class T>
T* make(size_t count) {
  void* memory = mmap(nullptr, count * sizeof(T) + 1, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) xp_fail(5005, 0, "no memory for the shadow of the kernel's arrays");
  return static_cast<T*>(memory);
}

// ---------------------------------------------------------------------------------------------
// Findings

// The return addresses of the frames from `frame` on, as far as they lie on a fiber's stack.
void walk(XpFinding* finding, uintptr_t place, void* frame) {
  const XpReport* report = launch->report;
  unsigned depth = 0;
  finding->stack[depth++] = place - report->base;
  uintptr_t at = reinterpret_cast<uintptr_t>(frame);
  while (depth < 16 && at >= report->stack[0] && at + 16 <= report->stack[1] && at % 8 == 0) {
    const uintptr_t* pair = reinterpret_cast<const uintptr_t*>(at);
    if (pair[1] < library_begin || pair[1] >= library_end) break;
    finding->stack[depth++] = pair[1] - report->base;
    if (pair[0] <= at) break;
    at = pair[0];
  }
}

const Region* closest(uintptr_t address);

// What is wrong at the instruction `place`, which accesses `address` (0: no memory).
template <class... Rest>
XpFinding finding_at(const char* kind, uintptr_t place, void* frame, uintptr_t address, int bytes,
                     uintptr_t other, const char* format, Rest... rest) {
  XpFinding finding;
  xp_describe(&finding, kind, reinterpret_cast<void*>(address), bytes);
  __builtin_snprintf(finding.message, sizeof finding.message, format, rest...);
  finding.other = other;
  walk(&finding, place, frame);
  const Region* region = address ? closest(address) : nullptr;
  if (region) {
    strncpy(finding.variable, region->variable->name, sizeof finding.variable - 1);
    finding.offset = (long long)(address - region->begin);
  }
  return finding;
}

// What was noted of the same before, which is counted: what happens in a loop happens often.
XpFinding* counted(const char* kind, uintptr_t place, uintptr_t other) {
  XpReport* report = launch->report;
  for (int i = 0; i < report->findings; ++i) {
    XpFinding& old = report->finding[i];
    if (old.stack[0] == place - report->base && old.other == other && !strcmp(old.kind, kind)) {
      ++old.times;
      return &old;
    }
  }
  return nullptr;
}

template <class... Rest>
void note(Rest... rest) {
  const XpFinding finding = finding_at(rest...);
  xp_note(&finding);
}

// ---------------------------------------------------------------------------------------------
// Memory

// The last region that begins at or before `address`, else the first.
Region* nearest(uintptr_t address) {
  if (latest && address >= latest->begin && address < latest->end) return latest;
  int low = 0, high = region_count;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (regions[middle].begin <= address) low = middle + 1;
    else high = middle;
  }
  if (!region_count) return nullptr;
  return latest = &regions[low ? low - 1 : 0];
}

// The region that an address outside of all of them most likely was meant for.
const Region* closest(uintptr_t address) {
  const Region* before = nearest(address);
  if (!before || address < before->end) return before;
  const Region* after = before + 1;
  const bool nearer = after < regions + region_count &&
                      after->begin > address && after->begin - address < address - before->end;
  return nearer ? after : before;
}

void make_shadow(Region* region, unsigned granule) {
  region->granule = granule;
  region->cells = (region->end - region->begin + granule - 1) / granule;
  region->shadow = make<Cell>(region->cells * region->copies);
}

// An access that does not fit the granule: from here on there is a cell for each byte.
void refine(Region* region) {
  const Region old = *region;
  make_shadow(region, 1);
  const size_t size = region->end - region->begin;
  for (unsigned copy = 0; copy < region->copies; ++copy) {
    const Cell* from = old.shadow + copy * old.cells;
    Cell* to = region->shadow + copy * region->cells;
    for (size_t byte = 0; byte < size; ++byte) {
      const Cell& cell = from[byte / old.granule];
      if (cell.store.thread || cell.load[0].thread) to[byte] = cell;
    }
  }
  munmap(old.shadow, old.cells * old.copies * sizeof(Cell));
}

// The region that begins at `address`, if one came from the heap there.
Region* from_heap(uintptr_t address) {
  Region* region = nearest(address);
  return region && region->begin == address && region->variable == &heap ? region : nullptr;
}

void forget(Region* region) {
  munmap(region->shadow, region->cells * sizeof(Cell) + 1);
  memmove(region, region + 1, (regions + --region_count - region) * sizeof(Region));
  latest = nullptr;
}

unsigned shown_cluster;

// Which copy of a region's shadow the running thread sees.
unsigned copy_of(const Region& region) {
  if (region.copies == 1) return 0;
  return region.variable->spaces & XP_SRAM ? shown_cluster : self;
}

bool ours(uintptr_t address) {
  const XpReport* report = launch->report;
  return address >= report->stack[0] && address < report->stack[1];
}

// The room behind the kernel's variables that is nobody's.
const uintptr_t kPadding = XP_PADDING;

// Memory of the emulator itself, which the headers' functions touch.
bool private_memory(uintptr_t address) {
  const uintptr_t begin = reinterpret_cast<uintptr_t>(launch);
  return (address >= begin && address < begin + sizeof *launch) || xp_is_record((void*)address) ||
         (address >= library_begin && address < library_end);
}

void outside(uintptr_t address, unsigned bytes, bool store, uintptr_t place, void* frame) {
  const char* verb = store ? "writes" : "reads";
  const Region* region = closest(address);
  if (region) {
    const long long element = region->variable->element ? region->variable->element : 1;
    const long long size = region->end - region->begin;
    const long long offset = (long long)(address - region->begin);
    const char* name = region->variable->name;
    if (element > 1 && offset % element == 0) {
      note("out of bounds", place, frame, address, bytes, 0,
           "%s element %lld of '%s', which has %lld", verb, offset / element, name, size / element);
    } else {
      note("out of bounds", place, frame, address, bytes, 0,
           "%s %u bytes at byte %lld of '%s', which has %lld", verb, bytes, offset, name, size);
    }
  } else {
    note("out of bounds", place, frame, address, bytes, 0, "%s an address that belongs to no array",
         verb);
  }
  xp_fail(5002, 0, "the kernel accesses memory outside its arrays");
}

// ---------------------------------------------------------------------------------------------
// Order

bool knows(const Knowledge& knowledge, uint32_t of_block, uint32_t thread, Clock clock) {
  for (const Release* one = knowledge.first; one; one = one->next) {
    if (one->block == of_block && one->covers[thread] >= clock) return true;
  }
  return false;
}

// Whether the running thread comes after `access`.
bool after(const Access& access) {
  const uint32_t number = access.thread - 1, its_block = number / threads, its = number % threads;
  if (its_block == block) {
    if (its == self || access.clock <= at_barrier[its]) return true;
    if (its / lanes == self / lanes && access.clock <= warp_knows[self * lanes + its % lanes]) {
      return true;
    }
  }
  if (!fenced) return false;
  return knows(block_knows, its_block, its, access.clock) ||
         knows(thread_knows[self], its_block, its, access.clock);
}

void describe(const Access& other, char* text, size_t room) {
  const uint32_t number = other.thread - 1, its_block = number / threads, its = number % threads;
  const unsigned* b = launch->block;
  const unsigned* g = launch->grid;
  char where[64] = "";
  if (its_block != block) {
    __builtin_snprintf(where, sizeof where, " of %s (%u, %u, %u)", launch->cores ? "job" : "block",
                       its_block % g[0], its_block / g[0] % g[1], its_block / g[0] / g[1]);
  }
  if (launch->cores) {
    __builtin_snprintf(text, room, "core %u%s", its, where);
  } else {
    __builtin_snprintf(text, room, "thread (%u, %u, %u)%s", its % b[0], its / b[0] % b[1],
                       its / b[0] / b[1], where);
  }
}

XpFinding race(const Access& other, uintptr_t address, unsigned bytes, const char* how,
               uintptr_t place, void* frame) {
  char who[128];
  describe(other, who, sizeof who);
  return finding_at("race", place, frame, address, bytes, other.place, how, who);
}

void settle() {
  if (!pending.set) return;
  pending.set = false;
  const XpFinding& finding = pending.finding;
  if (memcmp(pending.old, (const void*)finding.address, finding.bytes)) xp_note(&finding);
}

void suspect(const XpFinding& finding) {
  if (pending.set) return;
  if (finding.bytes > (int)sizeof pending.old) return xp_note(&finding);
  pending.set = true;
  pending.finding = finding;
  memcpy(pending.old, (const void*)finding.address, finding.bytes);
}

void guess(const XpFinding& finding) {
  if (!guesses) guesses = make<Guess>(kMostGuesses);
  if (guess_count == kMostGuesses) return xp_note(&finding);
  guesses[guess_count].thread = self;
  guesses[guess_count++].finding = finding;
}

// The running thread makes its guesses at `address` good.
void confirm(uintptr_t address) {
  unsigned kept = 0;
  for (unsigned i = 0; i < guess_count; ++i) {
    if (guesses[i].thread == self && guesses[i].finding.address == address) continue;
    if (kept != i) guesses[kept] = guesses[i];
    ++kept;
  }
  guess_count = kept;
}

void give_up_guesses() {
  for (unsigned i = 0; i < guess_count; ++i) xp_note(&guesses[i].finding);
  guess_count = 0;
}

// What is read of a block's memory before anything was written to it: the byte of the launch, so
// that runs with several of them tell whether it matters.
bool is_filled(const Region& region) {
  return region.per_block && region.copies == 1 && !in_vector;
}

void fill(const Region& region, const Cell* cell, uintptr_t address, unsigned bytes) {
  const uintptr_t start = region.begin + (cell - region.shadow) * region.granule;
  const uintptr_t first = start > address ? start : address;
  const uintptr_t past = start + region.granule < address + bytes ? start + region.granule : address + bytes;
  if (first < past) memset(reinterpret_cast<void*>(first), launch->filler, past - first);
}

enum Kind { PLAIN = 0, ATOMIC = 1, VOLATILE = 2 };
const uint16_t kUnderWay = 2;  // `Access::atomic` of an asynchronous copy that nobody waited for

void on_access(uintptr_t address, unsigned bytes, bool store, Kind kind, uintptr_t place,
               void* frame) {
  if (!launch) return;
  settle();
  if (ours(address)) return;
  Region* region = nearest(address);
  if (!region || address < region->begin || address + bytes > region->end) {
    const bool inside = region && address >= region->begin && address < region->end;
    const bool shared = address >= tls_begin && address < tls_end;
    const bool padding = region && address >= region->end && address - region->end < kPadding;
    if (!inside && !shared && !padding && private_memory(address)) return;
    outside(address, bytes, store, place, frame);
    return;
  }
  // Weights are reached by copies and by the matrix unit. Whether this is one of those only the
  // line table tells: the reader of the report drops what the headers did.
  if (region->variable->spaces == XP_WRAM && !counted("memory space", place, 0)) {
    note("memory space", place, frame, address, bytes, uintptr_t(0),
         "a scalar access to '%s', which lies in WRAM", region->variable->name);
  }
  const uintptr_t offset = address - region->begin;
  if (offset % region->granule || bytes % region->granule) refine(region);
  const Access mine = {1 + block * threads + self, clocks[self],
                       (uint32_t)(place - launch->report->base), kind != PLAIN,
                       store && in_vector && element_without_value};
  Cell* cell = region->shadow + copy_of(*region) * region->cells + offset / region->granule;
  Cell* const end = cell + (bytes + region->granule - 1) / region->granule;
  bool unwritten = false;
  // Only a whole word that nobody wrote counts: the padding of a vector may be copied along.
  unsigned missing = 0;
  for (; cell < end; ++cell) {
    Access& last = cell->store;
    const auto earlier = [&](const Access& one) {
      return one.thread && (one.thread - 1) / threads != block;
    };
    // Memory that nothing was written to may have been read all the same.
    const bool stale = earlier(last) || earlier(cell->load[0]) || earlier(cell->load[1]);
    if (region->per_block && stale) *cell = Cell();
    const bool shared = region->copies == 1 || (region->variable->spaces & XP_SRAM);
    if (!store || kind == ATOMIC) {
      const bool has_value = last.thread ? !last.without_value : region->filled;
      missing = has_value ? 0 : missing + region->granule;
      if (!has_value && is_filled(*region)) fill(*region, cell, address, bytes);
      if (missing >= 4 || missing == bytes) unwritten = true;
    }
    if (last.thread && last.atomic == kUnderWay) {
      if (!counted("asynchronous access", place, last.place)) {
        XpFinding finding = finding_at("asynchronous access", place, frame, address, bytes, last.place,
                                       "%s what an asynchronous copy is still writing",
                                       store ? "writes" : "reads");
        xp_note(&finding);
      }
      if (!store) continue;
    }
    const auto clashes = [&](const Access& other) {
      return shared && other.thread && !(other.atomic && mine.atomic) && !after(other) &&
             !counted("race", place, other.place);
    };
    if (store) {
      if (clashes(last)) {
        suspect(race(last, address, bytes, "writes what %s wrote, and nothing orders the two",
                     place, frame));
      }
      for (const Access& load : cell->load) {
        if (clashes(load)) {
          suspect(race(load, address, bytes, "writes what %s reads, and nothing orders the two",
                       place, frame));
        }
      }
      *cell = Cell();
      cell->store = mine;
    } else {
      if (clashes(last)) {
        const XpFinding finding = race(
            last, address, bytes, "reads what %s writes, and nothing orders the two", place, frame);
        if (last.atomic) guess(finding);
        else xp_note(&finding);
      }
      Access* loads = cell->load;
      if (!loads[0].thread || after(loads[0])) {
        loads[0] = mine;
        if (loads[1].thread && after(loads[1])) loads[1] = Access();
      } else if (!loads[1].thread || after(loads[1]) ||
                 loads[1].thread / lanes == loads[0].thread / lanes ||
                 mine.thread / lanes != loads[0].thread / lanes) {
        loads[1] = mine;
      }
    }
  }
  if (in_vector) {
    element_without_value = !store && (element_without_value || unwritten);
  } else if (unwritten) {
    const int filled = is_filled(*region);
    if (XpFinding* old = counted("uninitialised read", place, 0)) {
      old->filled &= filled;
      return;
    }
    XpFinding finding = finding_at("uninitialised read", place, frame, address, bytes, 0,
                                   "reads %u bytes of '%s' that nothing has written", bytes,
                                   region->variable->name);
    finding.filled = filled;
    xp_note(&finding);
  }
}

// ---------------------------------------------------------------------------------------------
// Fences and atomic operations

Object* object_at(uintptr_t address) {
  Object** slot = &objects[(address >> 2) % 1024];
  for (Object* one = *slot; one; one = one->next) {
    if (one->address == address) return one;
  }
  Object* made = static_cast<Object*>(calloc(1, sizeof(Object)));
  made->address = address;
  made->next = *slot;
  return *slot = made;
}

// `covers` of each thread becomes the larger of what it was and what `more` says.
void learn(Knowledge* knowledge, uint32_t of_block, const Clock* more) {
  Release* one = knowledge->first;
  while (one && one->block != of_block) one = one->next;
  if (!one) {
    one = static_cast<Release*>(calloc(1, sizeof(Release)));
    one->block = of_block;
    one->covers = static_cast<Clock*>(calloc(threads, sizeof(Clock)));
    one->next = knowledge->first;
    knowledge->first = one;
  }
  for (unsigned t = 0; t < threads; ++t) {
    if (more[t] > one->covers[t]) one->covers[t] = more[t];
  }
}

void learn_all(Knowledge* knowledge, const Knowledge& from) {
  for (const Release* one = from.first; one; one = one->next) {
    learn(knowledge, one->block, one->covers);
  }
}

// What `address` carries becomes known to this thread; what this thread knew at its last fence,
// and what the others of its block had fenced before the last barrier, goes onto it.
void meet(uintptr_t address) {
  if (!fenced) return;
  Object* object = object_at(address);
  learn_all(&thread_knows[self], object->known);
  if (!fence_clock[self] && !block_knows.first && !thread_knows[self].first) {
    bool any = false;
    for (unsigned t = 0; t < threads && !any; ++t) any = fence_clock[t] != 0;
    if (!any) return;
  }
  Clock* covers = static_cast<Clock*>(calloc(threads, sizeof(Clock)));
  for (unsigned t = 0; t < threads; ++t) {
    covers[t] = known_at_fence[(size_t)self * threads + t];
    const Clock fence = fence_clock[t];
    if ((t == self || fence <= at_barrier[t]) && fence > covers[t]) covers[t] = fence;
  }
  learn(&object->known, block, covers);
  learn_all(&object->known, block_knows);
  learn_all(&object->known, thread_knows[self]);
  free(covers);
}

void forget(Knowledge* knowledge) {
  while (Release* one = knowledge->first) {
    knowledge->first = one->next;
    free(one->covers);
    free(one);
  }
}

// ---------------------------------------------------------------------------------------------
// What the runtime tells

void on_end() {
  settle();
  give_up_guesses();
}

void on_block() {
  on_end();
  block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  for (unsigned t = 0; t < threads; ++t) clocks[t] = 1;
  memset(at_barrier, 0, threads * sizeof(Clock));
  memset(warp_knows, 0, (size_t)threads * lanes * sizeof(Clock));
  if (fenced) {
    memset(fence_clock, 0, threads * sizeof(Clock));
    memset(known_at_fence, 0, (size_t)threads * threads * sizeof(Clock));
    for (unsigned t = 0; t < threads; ++t) forget(&thread_knows[t]);
    forget(&block_knows);
  }
}

void on_enter(unsigned thread) {
  settle();
  self = thread;
}

void on_barrier() {
  on_end();
  for (unsigned t = 0; t < threads; ++t) at_barrier[t] = clocks[t]++;
  if (!fenced) return;
  for (unsigned t = 0; t < threads; ++t) {
    learn_all(&block_knows, thread_knows[t]);
    forget(&thread_knows[t]);
  }
}

// The lanes of `mask` of the warp whose first thread is `first` have met.
void on_sync(unsigned first, unsigned long long mask) {
  settle();
  Clock joined[64] = {};
  const unsigned count = threads - first < lanes ? threads - first : lanes;
  for (unsigned a = 0; a < count; ++a) {
    if (!(mask >> a & 1)) continue;
    Clock* row = warp_knows + (size_t)(first + a) * lanes;
    row[a] = clocks[first + a];
    for (unsigned b = 0; b < count; ++b) {
      if (row[b] > joined[b]) joined[b] = row[b];
    }
  }
  for (unsigned a = 0; a < count; ++a) {
    if (!(mask >> a & 1)) continue;
    memcpy(warp_knows + (size_t)(first + a) * lanes, joined, count * sizeof(Clock));
    ++clocks[first + a];
  }
}

int find_library(struct dl_phdr_info* info, size_t, void*) {
  uintptr_t low = ~uintptr_t(0), high = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    if (begin < low) low = begin;
    if (begin + header.p_memsz > high) high = begin + header.p_memsz;
  }
  const uintptr_t here = reinterpret_cast<uintptr_t>(&regions);
  if (here < low || here >= high) return 0;
  library_begin = low;
  library_end = high;
  return 1;
}

void on_start(uintptr_t shared_begin, uintptr_t shared_end) {
  launch = xp_launched();
  threads = launch->block[0] * launch->block[1] * launch->block[2];
  lanes = launch->warp;
  tls_begin = shared_begin;
  tls_end = shared_end;
  dl_iterate_phdr(find_library, nullptr);
  clocks = make<Clock>(threads);
  at_barrier = make<Clock>(threads);
  warp_knows = make<Clock>((size_t)threads * lanes);
  thread_knows = make<Knowledge>(threads);
  region_room = xp_variable_count;
  regions = make<Region>(region_room);
  for (int i = 0; i < xp_variable_count; ++i) {
    const XpVariable& variable = xp_variables[i];
    if (!variable.size) continue;
    Region* region = &regions[region_count++];
    region->variable = &variable;
    region->begin = reinterpret_cast<uintptr_t>(variable.address);
    region->end = region->begin + variable.size;
    const bool on_chip = !(variable.spaces & XP_GDRAM);
    const bool core = on_chip && !(variable.spaces & XP_SRAM);
    const unsigned clusters = launch->clusters ? launch->clusters : 1;
    region->copies = core ? threads : on_chip && launch->clusters ? clusters : 1;
    region->filled = !on_chip && !variable.unwritten;
    region->per_block = on_chip;
    const unsigned element = variable.element > 0 && variable.element < 4 ? variable.element : 4;
    make_shadow(region, on_chip ? 4 : element);
    // Vectors end where the last whole granule does; odd sizes have a cell for each byte.
    if (variable.size % region->granule || region->begin % region->granule) refine(region);
  }
}

// The last store of every cell of `bytes` bytes of an array.
template <class Visit>
void each_store(void* to, unsigned bytes, Visit visit) {
  const uintptr_t address = reinterpret_cast<uintptr_t>(to);
  Region* region = nearest(address);
  if (!region || address < region->begin || address + bytes > region->end) return;
  Cell* const cells = region->shadow + copy_of(*region) * region->cells;
  const uintptr_t first = (address - region->begin) / region->granule;
  const uintptr_t last = (address + bytes - 1 - region->begin) / region->granule;
  for (uintptr_t i = first; i <= last; ++i) visit(&cells[i].store);
}

void on_copy(void* to, unsigned bytes, const void* from, unsigned given, void* place, void* frame) {
  const uintptr_t here = reinterpret_cast<uintptr_t>(place);
  if (given) on_access(reinterpret_cast<uintptr_t>(from), given, false, PLAIN, here, frame);
  on_access(reinterpret_cast<uintptr_t>(to), bytes, true, PLAIN, here, frame);
  each_store(to, bytes, [](Access* store) { store->atomic = kUnderWay; });
}

void on_arrival(void* to, unsigned bytes) {
  settle();
  each_store(to, bytes, [](Access* store) {
    store->atomic = PLAIN;
    store->clock = clocks[self];
  });
}

void on_vector(bool begins) {
  in_vector = begins;
  element_without_value = false;
}

void on_cluster(int cluster) { shown_cluster = cluster; }

const XpChecks checks = {on_start, on_block, on_enter,   on_barrier, on_sync,
                         on_end,   on_copy,  on_arrival, on_vector,  on_cluster};

}  // namespace

extern "C" {

// Called before the launch.
__attribute__((visibility("default"))) void xp_check() { xp_checks = &checks; }

// The call's place and the frame of the function that it stands in.
#define XP_HERE                                                \
  reinterpret_cast<uintptr_t>(__builtin_return_address(0)),    \
      *reinterpret_cast<void**>(__builtin_frame_address(0))

XP_HIDDEN void xp_atomic_begin(const void* address, unsigned bytes) {
  const uintptr_t where = reinterpret_cast<uintptr_t>(address);
  confirm(where);
  on_access(where, bytes, false, ATOMIC, XP_HERE);
  on_access(where, bytes, true, ATOMIC, XP_HERE);
  meet(where);
  in_atomic = true;
}
XP_HIDDEN void* xp_allocated(void* address, unsigned long bytes, bool cleared) {
  if (!launch || !address || !bytes) return address;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(address);
  if (region_count == region_room) {
    Region* more = make<Region>(2 * region_room + 64);
    memcpy(more, regions, region_count * sizeof(Region));
    munmap(regions, region_room * sizeof(Region) + 1);
    regions = more;
    region_room = 2 * region_room + 64;
    latest = nullptr;
  }
  Region* before = nearest(begin);
  Region* region = !before ? regions : before->begin <= begin ? before + 1 : before;
  memmove(region + 1, region, (regions + region_count++ - region) * sizeof(Region));
  *region = {&heap, begin, begin + bytes, 0, 0, 1, nullptr, cleared, false};
  make_shadow(region, bytes % 4 ? 1 : 4);
  latest = nullptr;
  return address;
}
XP_HIDDEN void* xp_freed(void* address) {
  Region* region = launch ? from_heap(reinterpret_cast<uintptr_t>(address)) : nullptr;
  if (region) forget(region);
  return address;
}

XP_HIDDEN void xp_atomic_end() { in_atomic = false; }

XP_HIDDEN void xp_fence() {
  if (!fenced) {
    fenced = true;
    fence_clock = make<Clock>(threads);
    known_at_fence = make<Clock>((size_t)threads * threads);
  }
  memcpy(known_at_fence + (size_t)self * threads, at_barrier, threads * sizeof(Clock));
  fence_clock[self] = clocks[self]++;
}

#define XP_EACH_SIZE(form) form(1) form(2) form(4) form(8) form(16)

#define XP_ACCESS(name, bytes, store)                                                             \
  XP_HIDDEN void __tsan_##name(void* address) {                                                   \
    if (!in_atomic) on_access(reinterpret_cast<uintptr_t>(address), bytes, store, PLAIN, XP_HERE); \
  }
#define XP_PLAIN(bytes)                             \
  XP_ACCESS(read##bytes, bytes, false)              \
  XP_ACCESS(write##bytes, bytes, true)              \
  XP_ACCESS(unaligned_read##bytes, bytes, false)    \
  XP_ACCESS(unaligned_write##bytes, bytes, true)
XP_EACH_SIZE(XP_PLAIN)
#undef XP_ACCESS
// A volatile access is how kernels spin on a flag: it meets others as an atomic operation does.
#define XP_ACCESS(name, bytes, store)                                                            \
  XP_HIDDEN void __tsan_##name(void* address) {                                                  \
    if (in_atomic || !launch) return;                                                            \
    on_access(reinterpret_cast<uintptr_t>(address), bytes, store, VOLATILE, XP_HERE);            \
    if (!ours(reinterpret_cast<uintptr_t>(address))) meet(reinterpret_cast<uintptr_t>(address)); \
  }
#define XP_VOLATILE(bytes)                                   \
  XP_ACCESS(volatile_read##bytes, bytes, false)              \
  XP_ACCESS(volatile_write##bytes, bytes, true)              \
  XP_ACCESS(unaligned_volatile_read##bytes, bytes, false)    \
  XP_ACCESS(unaligned_volatile_write##bytes, bytes, true)
XP_EACH_SIZE(XP_VOLATILE)
#undef XP_ACCESS
XP_HIDDEN void __tsan_read_range(void* address, unsigned long bytes) {
  if (!in_atomic && bytes) {
    on_access(reinterpret_cast<uintptr_t>(address), bytes, false, PLAIN, XP_HERE);
  }
}
XP_HIDDEN void __tsan_write_range(void* address, unsigned long bytes) {
  if (!in_atomic && bytes) {
    on_access(reinterpret_cast<uintptr_t>(address), bytes, true, PLAIN, XP_HERE);
  }
}
// Clang has its own names for copies and fills.
XP_HIDDEN void* __tsan_memcpy(void* to, const void* from, unsigned long bytes) {
  xp_copy(to, from, bytes);
  return to;
}
XP_HIDDEN void* __tsan_memmove(void* to, const void* from, unsigned long bytes) {
  xp_copy(to, from, bytes);
  return to;
}
XP_HIDDEN void* __tsan_memset(void* to, int byte, unsigned long bytes) {
  xp_set(to, byte, bytes);
  return to;
}
XP_HIDDEN void __tsan_init() {}
XP_HIDDEN void __tsan_func_entry(void*) {}
XP_HIDDEN void __tsan_func_exit() {}
XP_HIDDEN void __tsan_vptr_update(void**, void*) {}
XP_HIDDEN void __tsan_vptr_read(void**) {}

// Copies and fills whose size only a run knows, which the compiler leaves as calls.
XP_HIDDEN void xp_copy(void* to, const void* from, unsigned long bytes) {
  if (bytes && !in_atomic) {
    on_access(reinterpret_cast<uintptr_t>(from), bytes, false, PLAIN, XP_HERE);
    on_access(reinterpret_cast<uintptr_t>(to), bytes, true, PLAIN, XP_HERE);
  }
  memmove(to, from, bytes);
}
XP_HIDDEN void xp_set(void* to, int byte, unsigned long bytes) {
  if (bytes && !in_atomic) on_access(reinterpret_cast<uintptr_t>(to), bytes, true, PLAIN, XP_HERE);
  memset(to, byte, bytes);
}
}

// ---------------------------------------------------------------------------------------------
// Arithmetic that C leaves undefined: GCC's and Clang's -fsanitize=... call these with data of a
// layout that both fix (compiler-rt's ubsan_value.h).

namespace {
struct Location {
  const char* file;
  uint32_t line, column;
};
struct Type {
  uint16_t kind, info;  // kind 0: integer; info: 2 * log2(bits) + signed
  char name[1];
};
struct OutOfBounds {
  Location at;
  const Type *array, *index;
};
struct Overflow {
  Location at;
  const Type* type;
};
struct Mismatch {
  Location at;
  const Type* type;
  unsigned char log_alignment, kind;
};

// Wider integers come by address.
long long number(const Type* type, uintptr_t value) {
  const unsigned bits = 1u << (type->info >> 1);
  if (bits > 64) return 0;
  if (bits == 64) return (long long)value;
  if (!(type->info & 1)) return (long long)(value & ((1ull << bits) - 1));
  return (long long)(value << (64 - bits)) >> (64 - bits);
}

template <class... Rest>
void undefined(const char* kind, uintptr_t place, void* frame, uintptr_t address,
               const char* format, Rest... rest) {
  settle();
  note(kind, place, frame, address, 0, uintptr_t(0), format, rest...);
}

void overflow(const Overflow* data, uintptr_t place, void* frame, uintptr_t left, char operation,
              uintptr_t right) {
  undefined("overflow", place, frame, 0, "%lld %c %lld does not fit %s", number(data->type, left),
            operation, number(data->type, right), data->type->name);
}
}  // namespace

extern "C" {
XP_HIDDEN void __ubsan_handle_out_of_bounds(OutOfBounds* data, uintptr_t index) {
  undefined("out of bounds", XP_HERE, 0, "index %lld is outside of %s", number(data->index, index),
            data->array->name);
}
XP_HIDDEN void __ubsan_handle_add_overflow(Overflow* data, uintptr_t a, uintptr_t b) {
  overflow(data, XP_HERE, a, '+', b);
}
XP_HIDDEN void __ubsan_handle_sub_overflow(Overflow* data, uintptr_t a, uintptr_t b) {
  overflow(data, XP_HERE, a, '-', b);
}
XP_HIDDEN void __ubsan_handle_mul_overflow(Overflow* data, uintptr_t a, uintptr_t b) {
  overflow(data, XP_HERE, a, '*', b);
}
XP_HIDDEN void __ubsan_handle_negate_overflow(Overflow* data, uintptr_t a) {
  overflow(data, XP_HERE, 0, '-', a);
}
XP_HIDDEN void __ubsan_handle_divrem_overflow(Overflow* data, uintptr_t a, uintptr_t b) {
  const long long divisor = number(data->type, b);
  if (divisor != 0) return overflow(data, XP_HERE, a, '/', b);
  undefined("division by zero", XP_HERE, 0, "%lld is divided by zero", number(data->type, a));
  xp_fail(5006, 0, "the kernel divides an integer by zero");
}
XP_HIDDEN void __ubsan_handle_type_mismatch_v1(Mismatch* data, uintptr_t address) {
  const unsigned long long alignment = 1ull << data->log_alignment;
  if (address % alignment == 0) return;
  undefined("misaligned access", XP_HERE, address, "%s is accessed at an address that is no multiple of %llu",
            data->type->name, alignment);
}
}
