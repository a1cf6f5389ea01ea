// Runs of one library after another in one process, whatever becomes of each: a run that faults, or
// takes too long, is left by a jump, and the library's variables get back what they held before.
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

namespace {

sigjmp_buf before;
volatile sig_atomic_t inside, ticks, most_ticks;

struct Part {
  char* begin;
  size_t size;
  char* saved;
};
Part parts[8];
int part_count;
uintptr_t code, code_end;

// Whether the library's own code was interrupted. What it calls may hold a lock, as malloc does:
// a jump out of that would leave the lock to nobody.
bool may_leave(void* context) {
  const auto& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
#if defined(__x86_64__)
  const uintptr_t at = machine.gregs[REG_RIP];
#elif defined(__aarch64__)
  const uintptr_t at = machine.pc;
#else
  const uintptr_t at = code;
#endif
  return code <= at && at < code_end;
}

void on_fault(int number, siginfo_t*, void* context) {
  if (inside && may_leave(context)) siglongjmp(before, number);
  _Exit(1);
}

void on_tick(int, siginfo_t*, void* context) {
  if (inside && ++ticks > most_ticks && may_leave(context)) siglongjmp(before, SIGPROF);
}

void add(uintptr_t begin, uintptr_t end) {
  if (begin >= end || part_count == sizeof parts / sizeof *parts) return;
  Part& part = parts[part_count++];
  part = {reinterpret_cast<char*>(begin), end - begin, static_cast<char*>(malloc(end - begin))};
  memcpy(part.saved, part.begin, part.size);
}

// What can be written of the module that holds an address; what the loader sealed is left out.
int find(dl_phdr_info* info, size_t, void* data) {
  const uintptr_t wanted = reinterpret_cast<uintptr_t>(data);
  bool holds = false;
  uintptr_t sealed = 0, sealed_end = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& row = info->dlpi_phdr[i];
    const uintptr_t begin = info->dlpi_addr + row.p_vaddr, end = begin + row.p_memsz;
    if (row.p_type == PT_LOAD && begin <= wanted && wanted < end) {
      holds = true;
      code = begin;
      code_end = end;
    }
    if (row.p_type == PT_GNU_RELRO) {
      sealed = begin;
      sealed_end = (end + 4095) & ~uintptr_t(4095);
    }
  }
  if (!holds) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& row = info->dlpi_phdr[i];
    if (row.p_type != PT_LOAD || !(row.p_flags & PF_W)) continue;
    const uintptr_t begin = info->dlpi_addr + row.p_vaddr, end = begin + row.p_memsz;
    const bool overlaps = sealed < end && begin < sealed_end;
    add(begin, overlaps && sealed < end ? (sealed > begin ? sealed : begin) : end);
    if (overlaps) add(sealed_end, end);
  }
  return 1;
}

}  // namespace

// Prepares the calling thread: a run may take `most` times `microseconds` of CPU time.
extern "C" int xp_attempts(void* entry, int microseconds, int most) {
  const size_t size = 64 * 1024;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  stack_t stack = {};
  stack.ss_sp = memory;
  stack.ss_size = size;
  if (sigaltstack(&stack, nullptr) != 0) return 1;
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  const int watched[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  for (int number : watched) sigaction(number, &action, nullptr);
  struct sigaction tick = {};
  tick.sa_sigaction = on_tick;
  tick.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  sigaction(SIGPROF, &tick, nullptr);
  most_ticks = most;
  const timeval each = {microseconds / 1000000, microseconds % 1000000};
  const itimerval timer = {each, each};
  setitimer(ITIMER_PROF, &timer, nullptr);
  return dl_iterate_phdr(find, entry) ? 0 : 1;
}

// One run; not zero where it came to no end.
extern "C" int xp_attempt(int (*entry)(const void*, const void*, int), const void* launch,
                          const void* args, int count) {
  ticks = 0;
  const int left = sigsetjmp(before, 1);
  if (left) {
    inside = 0;
    return left;
  }
  inside = 1;
  entry(launch, args, count);
  inside = 0;
  return 0;
}

// Puts the variables of the library back.
extern "C" void xp_again() {
  for (int i = 0; i < part_count; ++i) memcpy(parts[i].begin, parts[i].saved, parts[i].size);
}
