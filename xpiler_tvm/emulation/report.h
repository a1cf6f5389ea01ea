// What a worker leaves for its parent, in memory that both share. Mirrored by `worker.Report`.
#pragma once

struct XpReport {
  int code;                      // an XP5xxx number, 0 while nothing went wrong
  int line;                      // the user's source line, 0 where unknown
  int signal;                    // the signal that ended the worker, 0 if none did
  int wrote;                     // 1 if the faulting access was a store, 0 a load, -1 unknown
  unsigned long long fault;      // the address that faulted
  unsigned long long stack[2];   // first and past-the-end address of the fibers' stacks
  unsigned long long shared[2];  // the same for the unreadable pages behind dynamic shared memory
  double seconds;                // CPU seconds of the run itself
  char message[1024];            // one sentence, empty where nothing went wrong
};
