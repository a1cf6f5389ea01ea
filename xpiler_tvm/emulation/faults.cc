// Records where a worker crashed. The handler has a stack of its own, since an overflow of the
// ordinary one is among the things it must survive.
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "report.h"

namespace {

XpReport* report = nullptr;

void on_fault(int number, siginfo_t* info, void* context) {
  (void)context;
  report->signal = number;
  report->fault = reinterpret_cast<unsigned long long>(info->si_addr);
  report->wrote = -1;
#if defined(__x86_64__) && defined(__linux__)
  // Bit 1 of the page fault's error code tells a store from a load.
  report->wrote = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_ERR] >> 1 & 1;
#endif
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
  const int watched[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  for (int number : watched) sigaction(number, &action, nullptr);
  return 0;
}
