// Copies to shared memory that go on while their thread does (`cp.async`), and the numbers that
// instructions know shared memory by.
//
// A copy is read when it starts and arrives when its thread waits for it, not before: whoever reads
// its target too early finds what was there.
#include "runtime.h"

#include <stdlib.h>
#include <string.h>

namespace {

struct Copy {
  void* to;
  unsigned bytes, group;
  unsigned char value[16];
};
struct Thread {
  Copy* copies;
  unsigned count, room;
  unsigned groups;      // that were committed
  unsigned long block;  // 1 + number of the block of which all this is
};
Thread threads[1024];

// Numbers of shared memory have 32 bits; the upper half of an address is that of the closest one
// whose number was ever asked for.
unsigned long asked[4];
int asked_count;
const int kFar = 1 << 20;  // more than a block has

Thread* own() {
  Thread* thread =
      &threads[(threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x];
  const unsigned long number =
      1 + ((unsigned long)blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  if (thread->block != number) thread->count = thread->groups = 0;
  thread->block = number;
  return thread;
}

}  // namespace

extern "C" {

unsigned xp_shared_number(const void* address) {
  const unsigned long whole = reinterpret_cast<unsigned long>(address);
  int i = 0;
  while (i < asked_count && asked[i] >> 32 != whole >> 32) ++i;
  if (i == asked_count && i < 4) asked[asked_count++] = whole;
  return static_cast<unsigned>(whole);
}

void* xp_shared_address(unsigned long number, int site) {
  for (int i = 0; i < asked_count; ++i) {
    const int apart = static_cast<unsigned>(number) - static_cast<unsigned>(asked[i]);
    if (number >> 32 == 0 && apart < kFar && -apart < kFar) {
      return reinterpret_cast<void*>(asked[i] + apart);
    }
  }
  xp_fail(5002, site, "%#lx is no address in shared memory", number);
}

void xp_copy_start(void* to, unsigned bytes, const void* from, unsigned given) {
  if (xp_checks) {
    xp_checks->copy_starts(to, bytes, from, given, __builtin_return_address(0),
                           *static_cast<void**>(__builtin_frame_address(0)));
  }
  Thread* thread = own();
  if (thread->count == thread->room) {
    thread->room = 2 * thread->room + 16;
    thread->copies = static_cast<Copy*>(realloc(thread->copies, thread->room * sizeof(Copy)));
    if (!thread->copies) xp_fail(5005, 0, "no memory for copies under way");
  }
  Copy* copy = &thread->copies[thread->count++];
  *copy = {to, bytes, thread->groups, {}};
  memcpy(copy->value, from, given);
}

void xp_copies_commit() { ++own()->groups; }

void xp_copies_wait(unsigned groups_left) {
  Thread* thread = own();
  unsigned kept = 0;
  for (unsigned i = 0; i < thread->count; ++i) {
    const Copy copy = thread->copies[i];
    if (copy.group + groups_left < thread->groups) {
      if (xp_checks) xp_checks->copy_ends(copy.to, copy.bytes);
      memcpy(copy.to, copy.value, copy.bytes);
    } else {
      thread->copies[kept++] = copy;
    }
  }
  thread->count = kept;
}
}
