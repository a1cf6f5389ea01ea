// What a worker leaves for its parent, in memory that both share. Mirrored by `worker.Report`.
#pragma once

// One thing that is wrong with a kernel. `kind` is a key of `findings.KINDS`.
struct XpFinding {
  char kind[24];
  int line, other_line;          // source lines where known, else 0: `stack` then tells
  int times;                     // how often it was seen
  unsigned block[3], thread[3];  // who
  int core;                      // which core of a job, -1 on a GPU
  unsigned long long address;    // 0 where it is about no memory
  int bytes;
  int filled;                    // whether what was read is the launch's filler each time
  char variable[64];             // the variable that the address lies in or next to, and where
  long long offset;
  unsigned long long stack[16];  // return addresses relative to the library, innermost first
  unsigned long long other;      // that of the earlier access, for a race
  char message[256];             // one sentence
};

enum { XP_MOST_FINDINGS = 64 };

struct XpReport {
  int code;                      // an XP5xxx number, 0 while nothing went wrong
  int line;                      // the user's source line, 0 where unknown
  int signal;                    // the signal that ended the worker, 0 if none did
  int wrote;                     // 1 if the faulting access was a store, 0 a load, -1 unknown
  unsigned long long fault;      // the address that faulted
  unsigned long long stack[2];   // first and past-the-end address of the fibers' stacks
  unsigned long long shared[2];  // the same for the unreadable pages behind dynamic shared memory
  unsigned long long base;       // where the kernel's library was loaded
  unsigned long long trace[16];  // return addresses of the faulting thread, innermost first
  double seconds;                // CPU seconds of the run itself
  char message[1024];            // one sentence, empty where nothing went wrong
  int findings;                  // how many of the following are filled in
  int lost;                      // and how many more there were
  XpFinding finding[XP_MOST_FINDINGS];
};
