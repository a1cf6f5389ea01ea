// Records where a worker crashed. The handler has a stack of its own, since an overflow of the
// ordinary one is among the things it must survive.
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "report.h"

namespace {

XpReport* report = nullptr;

struct Place {
  unsigned long long instruction, frame;
};

Place place_of(const ucontext_t* context) {
#if defined(__x86_64__)
  const auto* registers = context->uc_mcontext.gregs;
  return {static_cast<unsigned long long>(registers[REG_RIP]),
          static_cast<unsigned long long>(registers[REG_RBP])};
#elif defined(__aarch64__)
  return {context->uc_mcontext.pc, context->uc_mcontext.regs[29]};
#else
  (void)context;
  return {0, 0};
#endif
}

// Frames are found through the frame pointers, each of which lies above the one before it. Only the
// fibers' stacks are read: a frame pointer may be anything where the kernel overwrote its stack.
void note_trace(Place at) {
  if (!at.instruction) return;
  int count = 0;
  const int most = sizeof report->trace / sizeof *report->trace;
  report->trace[count++] = at.instruction - report->base;
  const unsigned long long low = report->stack[0], high = report->stack[1];
  while (count < most && low <= at.frame && at.frame + 16 <= high && at.frame % 8 == 0) {
    const auto* frame = reinterpret_cast<const unsigned long long*>(at.frame);
    if (!frame[1]) break;
    report->trace[count++] = frame[1] - report->base;
    if (frame[0] <= at.frame) break;
    at.frame = frame[0];
  }
}

void on_fault(int number, siginfo_t* info, void* context) {
  report->signal = number;
  report->wrote = -1;
  if (number == SIGSYS) {
    report->fault = info->si_syscall;
    // The call was not made, and what made it would go on.
    note_trace(place_of(static_cast<ucontext_t*>(context)));
    _exit(0);
  }
  report->fault = reinterpret_cast<unsigned long long>(info->si_addr);
#if defined(__x86_64__) && defined(__linux__)
  // Bit 1 of the page fault's error code tells a store from a load.
  report->wrote = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] >> 1 & 1;
#endif
  note_trace(place_of(static_cast<ucontext_t*>(context)));
  // SA_RESETHAND restored the default action: the access faults again and ends the process.
}

}  // namespace

// Watches the calling thread; call it in the thread that will run the kernel.
extern "C" int xp_watch(XpReport* where) {
  report = where;
  const size_t size = 64 * 1024;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  stack_t stack = {};
  stack.ss_sp = memory;
  stack.ss_size = size;
  if (sigaltstack(&stack, nullptr) != 0) return 1;
  struct sigaction action = {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND;
  const int watched[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS};
  for (int number : watched) sigaction(number, &action, nullptr);
  return 0;
}
