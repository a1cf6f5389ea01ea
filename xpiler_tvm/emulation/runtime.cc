// Runs the threads of a block as fibers.
//
// Threads run one after another on one fiber; a second fiber is taken only when a thread has to
// wait. A kernel without barriers is therefore a plain loop, and one with barriers costs one
// switch per thread and barrier. Everything happens in one OS thread: a wait is a switch to a
// thread that can go on, and if there is none the block can never finish, which is reported.
#include "runtime.h"

#include <link.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <new>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

// ---------------------------------------------------------------------------------------------
// Context switch

#if defined(__x86_64__)
typedef void* Context;
extern "C" XP_HIDDEN void xp_switch(void** save, void* load);
// Callee-saved registers go onto the stack that is left and come from the one that is entered.
__asm__(
    ".text\n.p2align 4\n.hidden xp_switch\n.globl xp_switch\n.type xp_switch,@function\nxp_switch:\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n.size xp_switch,.-xp_switch\n");

static void switch_to(Context* save, Context load) { xp_switch(save, load); }

static Context new_context(char* low, char* top, void (*entry)()) {
  (void)low;
  // `ret` pops `entry`; it must then see rsp % 16 == 8, as after a call.
  uintptr_t* stack = reinterpret_cast<uintptr_t*>(reinterpret_cast<uintptr_t>(top) & ~15ull);
  *--stack = 0;
  *--stack = reinterpret_cast<uintptr_t>(entry);
  for (int i = 0; i < 6; ++i) *--stack = 0;
  return stack;
}
#else
typedef ucontext_t* Context;

static void switch_to(Context* save, Context load) {
  ucontext_t here;  // lives on the stack that is left, as long as the fiber waits there
  *save = &here;
  swapcontext(&here, load);
}

static Context new_context(char* low, char* top, void (*entry)()) {
  // The context lies at the top of its own stack.
  ucontext_t* context = reinterpret_cast<ucontext_t*>(
      (reinterpret_cast<uintptr_t>(top) - sizeof(ucontext_t)) & ~uintptr_t(63));
  getcontext(context);
  context->uc_stack.ss_sp = low;
  context->uc_stack.ss_size = reinterpret_cast<char*>(context) - low;
  context->uc_link = nullptr;
  makecontext(context, entry, 0);
  return context;
}
#endif

// ---------------------------------------------------------------------------------------------
// State of the running block

struct Warp {
  unsigned long long live;  // lanes that have not returned
  XpRecord* pending;        // collectives that wait for lanes
};

struct XpThread {
  Context context;
  xp_uint3 id;
  unsigned lane;
  Warp* warp;
  int site;        // the source line at which it waits
  XpThread* next;  // in the ready list or in one list of waiting threads
};

struct Fiber {
  Context context;
  Fiber* next;
};

struct List {
  XpThread *head, *tail;
  void push(XpThread* thread) {
    thread->next = nullptr;
    (head ? tail->next : head) = thread;
    tail = thread;
  }
  XpThread* pop() {
    XpThread* thread = head;
    head = thread->next;
    return thread;
  }
  void splice(List* other) {
    if (!other->head) return;
    (head ? tail->next : head) = other->head;
    tail = other->tail;
    other->head = nullptr;
  }
};

extern "C" {
XP_HIDDEN xp_uint3 threadIdx, blockIdx, blockDim, gridDim;
XP_HIDDEN unsigned xp_lane;
XP_HIDDEN unsigned char* xp_dynamic;
XP_HIDDEN void (*xp_on_enter)(unsigned thread, int fresh);
XP_HIDDEN void (*xp_on_leave)(unsigned thread);
XP_HIDDEN void (*xp_on_end)(unsigned thread);
}

const XpChecks* xp_checks;

static const XpLaunch* launch;
static XpInvoke invoke;
static const XpArg* args;
static bool looping;

static XpThread* threads;
static Warp* warps;
static unsigned total, warp_count, next_thread, live;
static XpThread* current;
static List ready;
static Context main_context;

static struct {
  List waiting;
  unsigned arrived;
  int site, count;          // of the phase that is gathering
  int last_count, last_total;  // of the phase that ended last
} barrier;

// ---------------------------------------------------------------------------------------------
// Fibers

static char* stacks;
static size_t stack_size, stack_slots, stacks_used;
static Fiber* free_fibers;
static Fiber* running_fiber;

static void fiber_main();

static Fiber* take_fiber() {
  Fiber* fiber = free_fibers;
  if (fiber) {
    free_fibers = fiber->next;
    return fiber;
  }
  if (stacks_used == stack_slots) xp_fail(5005, 0, "out of stacks for waiting threads");
  // The lowest page of each slot stays unreadable, so that an overflow faults.
  const size_t page = sysconf(_SC_PAGESIZE);
  char* low = stacks + stacks_used * stack_size + page;
  char* top = low + stack_size - page;
  if (mprotect(low, stack_size - page, PROT_READ | PROT_WRITE) != 0) {
    xp_fail(5005, 0, "no memory for the stacks of %zu waiting threads", stacks_used);
  }
  // Equal offsets in every stack would fall into the same cache sets; spread them.
  top -= (stacks_used % 31) * 128;
  ++stacks_used;
  fiber = new (reinterpret_cast<void*>(top - sizeof(Fiber) - 64)) Fiber();
  fiber->context = new_context(low, reinterpret_cast<char*>(fiber), fiber_main);
  return fiber;
}

static void enter(XpThread* thread, bool fresh) {
  current = thread;
  threadIdx = thread->id;
  xp_lane = thread->lane;
  if (xp_checks) xp_checks->enter(thread - threads);
  if (xp_on_enter) xp_on_enter(thread - threads, fresh);
}

static bool release_partial();

// Picks what runs next; the caller switches to it. Never returns if the block cannot go on.
static Context choose() {
  if (!ready.head && next_thread == total && live && !release_partial()) {
    XpThread* thread = barrier.waiting.head;
    int line = 0, other = 0;
    for (; thread; thread = thread->next) line = thread->site;
    for (unsigned w = 0; w < warp_count; ++w) {
      if (warps[w].pending) other = warps[w].pending->site;
    }
    if (line) {
      xp_fail(5008, line, "%u of %u threads wait at the barrier in line %d, others in line %d",
              barrier.arrived, live, line, other);
    }
    xp_fail(5008, other, "lanes of a warp wait in line %d for lanes that never come", other);
  }
  if (ready.head) {
    enter(ready.pop(), false);
    return current->context;
  }
  if (next_thread < total) {
    running_fiber = take_fiber();
    return running_fiber->context;
  }
  return main_context;
}

static void wait_here() {
  XpThread* self = current;
  Fiber* fiber = running_fiber;
  if (xp_on_leave) xp_on_leave(self - threads);
  Context next = choose();
  if (current != self || next != self->context) switch_to(&self->context, next);
  running_fiber = fiber;
}

extern "C" void xp_park(int site) {
  current->site = site;
  wait_here();
}

extern "C" void xp_wake(unsigned thread) { ready.push(&threads[thread]); }

static void finish(XpThread* thread);

static void fiber_main() {
  Fiber* self = running_fiber;
  for (;;) {
    while (next_thread < total) {
      XpThread* thread = &threads[next_thread++];
      enter(thread, true);
      invoke(args);
      running_fiber = self;
      if (xp_on_end) xp_on_end(current - threads);
      finish(current);
    }
    self->next = free_fibers;
    free_fibers = self;
    switch_to(&self->context, choose());
    running_fiber = self;
  }
}

// ---------------------------------------------------------------------------------------------
// Barriers and collectives

// A text in which no name of a waiting function occurs is run as a loop; one that makes such a name
// from pieces is not for us.
static void refuse_to_wait(int site) {
  if (looping) xp_fail(5005, site, "the call that makes threads wait here is hidden from the reader");
}

static void open_barrier() {
  barrier.last_count = barrier.count;
  barrier.last_total = barrier.arrived;
  barrier.arrived = barrier.count = 0;
  if (xp_checks) xp_checks->barrier();
  ready.splice(&barrier.waiting);
}

extern "C" int xp_barrier(int site, int predicate, int* arrived) {
  refuse_to_wait(site);
  if (barrier.arrived == 0) {
    barrier.site = site;
  } else if (barrier.site != site) {
    const xp_uint3 first = barrier.waiting.head->id;
    xp_fail(5008, site, "thread (%u, %u, %u) waits in line %d while thread (%u, %u, %u) waits in line %d",
            threadIdx.x, threadIdx.y, threadIdx.z, site, first.x, first.y, first.z, barrier.site);
  }
  barrier.count += predicate != 0;
  if (++barrier.arrived == live) {
    open_barrier();
  } else {
    current->site = site;
    barrier.waiting.push(current);
    wait_here();
  }
  if (arrived) *arrived = barrier.last_total;
  return barrier.last_count;
}

// Records come from one range of addresses, by which a checked build knows them.
static XpRecord* free_records;
static char *records, *records_end;
static const size_t kRecordRoom = size_t(1) << 30;

static XpRecord* new_record() {
  const size_t size = (sizeof(XpRecord) + 63) / 64 * 64;
  if (!records) {
    void* memory = mmap(nullptr, kRecordRoom, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) xp_fail(5005, 0, "no memory for collectives");
    records = records_end = static_cast<char*>(memory);
  }
  records_end += size;
  return reinterpret_cast<XpRecord*>(records_end - size);
}

extern "C" bool xp_is_record(const void* address) {
  return records && address >= records && address < records_end;
}

static void complete(Warp* warp, XpRecord* record) {
  XpRecord** link = &warp->pending;
  while (*link != record) link = &(*link)->next;
  *link = record->next;
  record->readers = __builtin_popcountll(record->arrived);
  if (xp_checks && record->kind == XP_SYNC) {
    xp_checks->sync((warp - warps) * launch->warp, record->arrived);
  }
  for (XpThread* thread = record->waiting; thread;) {
    XpThread* next = thread->next;
    ready.push(thread);
    thread = next;
  }
}

static bool is_complete(const Warp* warp, const XpRecord* record) {
  const unsigned long long needed = record->mask ? record->mask & warp->live : warp->live;
  return (needed & ~record->arrived) == 0;
}

extern "C" XpRecord* xp_collective(int kind, unsigned long long mask, int site, const void* value,
                                   unsigned bytes) {
  refuse_to_wait(site);
  XpThread* self = current;
  Warp* warp = self->warp;
  const unsigned long long bit = 1ull << self->lane;
  if (mask && !(mask & bit)) {
    xp_fail(5008, site, "lane %u is not in its own mask %#llx", self->lane, mask);
  }
  XpRecord* record = warp->pending;
  // With a mask the lanes need not stand at one place; without one the place tells them apart.
  while (record && (record->kind != kind || record->mask != mask || (!mask && record->site != site) ||
                    (record->arrived & bit))) {
    record = record->next;
  }
  if (!record) {
    record = free_records;
    if (record) {
      free_records = record->next;
    } else {
      record = new_record();
    }
    record->arrived = 0;
    record->mask = mask;
    record->kind = kind;
    record->site = site;
    record->waiting = nullptr;
    record->next = warp->pending;
    warp->pending = record;
    // A lane that does not take part has no value that anyone may use.
    if (bytes) memset(record->value, 0xff, sizeof record->value);
  }
  record->arrived |= bit;
  memcpy(record->value[self->lane], value, bytes);
  if (is_complete(warp, record)) {
    complete(warp, record);
  } else {
    self->site = site;
    self->next = record->waiting;
    record->waiting = self;
    wait_here();
  }
  return record;
}

extern "C" void xp_collective_done(XpRecord* record) {
  if (--record->readers == 0) {
    record->next = free_records;
    free_records = record;
  }
}

// Collectives without a mask mean the lanes that are active together. Where no thread can go on,
// those that arrived are these lanes.
static bool release_partial() {
  for (unsigned w = 0; w < warp_count; ++w) {
    for (XpRecord* record = warps[w].pending; record; record = record->next) {
      if (!record->mask) {
        complete(&warps[w], record);
        return true;
      }
    }
  }
  return false;
}

// A thread has returned: those that waited for it as the last one go on.
static void finish(XpThread* thread) {
  --live;
  if (live && barrier.arrived == live) open_barrier();
  Warp* warp = thread->warp;
  warp->live &= ~(1ull << thread->lane);
  for (XpRecord* record = warp->pending; record;) {
    XpRecord* next = record->next;
    if (is_complete(warp, record)) complete(warp, record);
    record = next;
  }
}

// ---------------------------------------------------------------------------------------------
// A whole launch

extern "C" void xp_fail(int code, int line, const char* format, ...) {
  XpReport* report = launch->report;
  va_list rest;
  va_start(rest, format);
  vsnprintf(report->message, sizeof report->message, format, rest);
  va_end(rest);
  report->line = line;
  report->code = code;
  Context nowhere;
  switch_to(&nowhere, main_context);
  __builtin_unreachable();
}

const XpVariable* xp_variables;
int xp_variable_count;

extern "C" void xp_memory(XpVariable* variables, int count) {
  xp_variables = variables;
  xp_variable_count = count;
}

extern "C" void xp_describe(XpFinding* finding, const char* kind, const void* address, int bytes) {
  memset(finding, 0, sizeof *finding);
  strncpy(finding->kind, kind, sizeof finding->kind - 1);
  finding->times = 1;
  finding->address = reinterpret_cast<uintptr_t>(address);
  finding->bytes = bytes;
  const unsigned who[6] = {blockIdx.x, blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z};
  memcpy(finding->block, who, sizeof finding->block);
  memcpy(finding->thread, who + 3, sizeof finding->thread);
  finding->core = launch->cores ? int(current - threads) : -1;
}

extern "C" void xp_note(const XpFinding* finding) {
  XpReport* report = launch->report;
  for (int i = 0; i < report->findings; ++i) {
    XpFinding& old = report->finding[i];
    if (old.line == finding->line && old.stack[0] == finding->stack[0] &&
        old.other == finding->other && !strcmp(old.kind, finding->kind)) {
      ++old.times;
      old.filled &= finding->filled;
      return;
    }
  }
  if (report->findings == XP_MOST_FINDINGS) {
    ++report->lost;
    return;
  }
  report->finding[report->findings++] = *finding;
}

extern "C" void xp_finding(const char* kind, int line, const void* address, int bytes,
                           const char* format, ...) {
  XpFinding finding;
  xp_describe(&finding, kind, address, bytes);
  finding.line = line;
  va_list rest;
  va_start(rest, format);
  vsnprintf(finding.message, sizeof finding.message, format, rest);
  va_end(rest);
  xp_note(&finding);
}

extern "C" const XpLaunch* xp_launched() { return launch; }

extern "C" bool xp_on_stack(const void* address) {
  const uintptr_t place = reinterpret_cast<uintptr_t>(address);
  return place >= launch->report->stack[0] && place < launch->report->stack[1];
}

struct Module {
  unsigned char* data;
  size_t size;
};

// Static shared variables are thread-local ones of this library: that gives their place and size
// for function-local variables of templates too, which no section attribute reaches.
static int find_shared(struct dl_phdr_info* info, size_t, void* result) {
  bool mine = false;
  const ElfW(Phdr)* tls = nullptr;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    const uintptr_t here = reinterpret_cast<uintptr_t>(&xp_dynamic);
    if (header.p_type == PT_LOAD && here >= begin && here < begin + header.p_memsz) mine = true;
    if (header.p_type == PT_TLS) tls = &header;
  }
  if (!mine) return 0;
  if (tls) {
    struct {
      unsigned long module, offset;
    } index = {info->dlpi_tls_modid, 0};
    extern void* tls_address(void*) __asm__("__tls_get_addr");
    Module* module = static_cast<Module*>(result);
    module->data = static_cast<unsigned char*>(tls_address(&index));
    module->size = tls->p_memsz;
  }
  return 1;
}

// Dynamic shared memory ends at an unreadable megabyte.
static bool make_dynamic(XpReport* report, size_t* size) {
  const size_t page = sysconf(_SC_PAGESIZE), guard = 1 << 20;
  *size = (launch->dynamic_shared + 15) / 16 * 16;
  const size_t room = (*size + page - 1) / page * page;
  void* memory = mmap(nullptr, room + guard, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  if (room && mprotect(memory, room, PROT_READ | PROT_WRITE) != 0) return false;
  unsigned char* end = static_cast<unsigned char*>(memory) + room;
  xp_dynamic = end - *size;
  report->shared[0] = reinterpret_cast<uintptr_t>(end);
  report->shared[1] = report->shared[0] + guard;
  return true;
}

static bool make_stacks(XpReport* report) {
  const size_t page = sysconf(_SC_PAGESIZE);
  // An odd number of pages spreads the stacks over the cache sets.
  stack_size = ((launch->stack + page - 1) / page | 1) * page + page;
  stack_slots = total + 1;
  void* memory = mmap(nullptr, stack_size * stack_slots, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  stacks = static_cast<char*>(memory);
  report->stack[0] = reinterpret_cast<uintptr_t>(stacks);
  report->stack[1] = report->stack[0] + stack_size * stack_slots;
  return true;
}

// Thread-local variables and dynamic shared memory have an address only now.
static void place_shared(const Module& shared) {
  XpVariable* const list = const_cast<XpVariable*>(xp_variables);
  for (int i = 0; i < xp_variable_count; ++i) {
    if (list[i].local) list[i].address = shared.data + reinterpret_cast<uintptr_t>(list[i].address);
    if (list[i].local == XP_DYNAMIC) {
      list[i].address = xp_dynamic;
      list[i].size = launch->dynamic_shared;
    }
  }
  qsort(list, xp_variable_count, sizeof *list, [](const void* a, const void* b) {
    const unsigned char* left = static_cast<const XpVariable*>(a)->address;
    const unsigned char* right = static_cast<const XpVariable*>(b)->address;
    return left < right ? -1 : left > right;
  });
}

static void start_block(const Module& shared, size_t dynamic) {
  // All bits set is a NaN in every float type: shared memory is not zero at a block's start.
  if (shared.size) memset(shared.data, 0xff, shared.size);
  if (dynamic) memset(xp_dynamic, 0xff, dynamic);
  next_thread = 0;
  live = total;
  for (unsigned w = 0; w < warp_count; ++w) {
    const unsigned lanes = total - w * launch->warp < launch->warp ? total - w * launch->warp : launch->warp;
    warps[w].live = lanes == 64 ? ~0ull : (1ull << lanes) - 1;
    warps[w].pending = nullptr;
  }
  if (xp_checks) xp_checks->block();
}

static double cpu_seconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

extern "C" int xp_run(const XpLaunch* how, XpInvoke call, const XpArg* values, bool loop) {
  const double started = cpu_seconds();
  launch = how;
  invoke = call;
  args = values;
  looping = loop;
  XpReport* report = how->report;
  gridDim = blockDim = {1, 1, 1};
  if (!loop) {
    gridDim = {how->grid[0], how->grid[1], how->grid[2]};
    blockDim = {how->block[0], how->block[1], how->block[2]};
  }
  total = blockDim.x * blockDim.y * blockDim.z;
  warp_count = (total + how->warp - 1) / how->warp;
  threads = static_cast<XpThread*>(calloc(total, sizeof(XpThread)));
  warps = static_cast<Warp*>(calloc(warp_count, sizeof(Warp)));
  Module shared = {nullptr, 0};
  size_t dynamic = 0;
  dl_iterate_phdr(find_shared, &shared);
  if (!threads || !warps || !make_stacks(report) || !make_dynamic(report, &dynamic)) {
    report->code = 5005;
    snprintf(report->message, sizeof report->message, "no memory for a block of %u threads", total);
    return 1;
  }
  if (xp_checks) {
    place_shared(shared);
    const uintptr_t begin = reinterpret_cast<uintptr_t>(shared.data);
    xp_checks->start(begin, begin + shared.size);
  }
  for (unsigned t = 0; t < total; ++t) {
    threads[t].id = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
    threads[t].lane = t % how->warp;
    threads[t].warp = &warps[t / how->warp];
  }
  for (unsigned z = 0; z < gridDim.z; ++z) {
    for (unsigned y = 0; y < gridDim.y; ++y) {
      for (unsigned x = 0; x < gridDim.x; ++x) {
        blockIdx = {x, y, z};
        start_block(shared, dynamic);
        running_fiber = take_fiber();
        switch_to(&main_context, running_fiber->context);
        if (report->code) return 1;
      }
    }
  }
  if (xp_checks) xp_checks->end();
  report->seconds = cpu_seconds() - started;
  return 0;
}
