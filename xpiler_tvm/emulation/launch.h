// Calls a kernel with arguments whose types are deduced from its address, so that nobody has to
// parse its signature.
#pragma once

#include "runtime.h"

// The arguments are not the kernel's memory: a checked build does not look at accesses here.
#define XP_UNCHECKED __attribute__((no_sanitize_thread))

template <class T>
struct XpPointer {
  static constexpr bool value = false;
  XP_UNCHECKED static T from(const XpArg& arg) {
    if constexpr (__is_class(T)) {
      if (arg.kind == XP_OBJECT) {
        alignas(T) char bytes[sizeof(T)];
        for (unsigned i = 0; i < sizeof(T); ++i) bytes[i] = ((const char*)arg.pointer)[i];
        return *(T*)bytes;
      }
    }
    if constexpr (__is_constructible(T, double)) {
      return arg.kind == XP_REAL ? T(arg.real) : T(arg.integer);
    } else {
      __builtin_trap();
    }
  }
};
template <class T>
struct XpPointer<T*> {
  static constexpr bool value = true;
  XP_UNCHECKED static T* from(const XpArg& arg) { return (T*)arg.pointer; }
};
template <class T>
struct XpPointer<const T> : XpPointer<T> {};
template <class T>
struct XpPointer<T* const> : XpPointer<T*> {};
template <class T>
struct XpPointer<T* __restrict__> : XpPointer<T*> {};
template <class T>
struct XpPointer<T* const __restrict__> : XpPointer<T*> {};

template <class... Rest>
struct XpApply {
  template <class Call, class... Ready>
  XP_UNCHECKED static void to(Call call, const XpArg*, Ready... ready) {
    call(ready...);
  }
};
template <class First, class... Rest>
struct XpApply<First, Rest...> {
  template <class Call, class... Ready>
  XP_UNCHECKED static void to(Call call, const XpArg* arg, Ready... ready) {
    if constexpr (__is_empty(First)) {  // an object that holds nothing is not passed
      XpApply<Rest...>::to(call, arg, ready..., First());
    } else {
      XpApply<Rest...>::to(call, arg + 1, ready..., XpPointer<First>::from(*arg));
    }
  }
};

// An overload set such as `sin` (the library's and a kernel of that name) resolves to the kernel:
// it alone returns void.
template <class... Params>
constexpr auto xp_pick(void (*kernel)(Params...)) {
  return kernel;
}

template <auto kernel>
struct XpKernel;
template <class... Params, void (*kernel)(Params...)>
struct XpKernel<kernel> {
  // One thread.
  XP_UNCHECKED static void once(const XpArg* args) { XpApply<Params...>::to(kernel, args); }

#ifdef XP_LOOP
  // The whole grid, where no thread ever waits: loops that the compiler can see through.
  static void loop(const XpArg* args) {
    const XpLaunch* launch = xp_launched();
    gridDim = {launch->grid[0], launch->grid[1], launch->grid[2]};
    blockDim = {launch->block[0], launch->block[1], launch->block[2]};
    XpApply<Params...>::to(block_after_block, args);
  }
  static void block_after_block(Params... values) {
    for (unsigned z = 0; z < gridDim.z; ++z)
      for (unsigned y = 0; y < gridDim.y; ++y)
        for (unsigned x = 0; x < gridDim.x; ++x) {
          blockIdx = {x, y, z};
          block(values...);
        }
  }
  // A function of its own: the grid's loops would take registers from the kernel's.
  __attribute__((noinline)) static void block(Params... values) {
    for (unsigned z = 0; z < blockDim.z; ++z)
      for (unsigned y = 0; y < blockDim.y; ++y)
        for (unsigned x = 0; x < blockDim.x; ++x) {
          threadIdx = {x, y, z};
          kernel(values...);
        }
  }
#endif

  XP_UNCHECKED static int start(const XpLaunch* launch, const XpArg* args, int count) {
    XpReport* report = launch->report;
    constexpr int expected = (0 + ... + !__is_empty(Params));
    const bool empty[] = {__is_empty(Params)..., false};
    const bool all[] = {XpPointer<Params>::value..., false};
    const long long sizes[] = {(__is_class(Params) ? (long long)sizeof(Params) : 0)..., 0};
    bool pointers[sizeof...(Params) + 1] = {};
    int bad = count == expected ? -1 : count < expected ? count : expected;
    for (unsigned k = 0, i = 0; bad < 0 && k < sizeof...(Params); ++k) {
      if (empty[k]) continue;
      pointers[i] = all[k];
      const bool object = args[i].kind == XP_OBJECT;
      if (pointers[i] != (args[i].kind == XP_POINTER)) bad = i;
      if (object && args[i].integer != sizes[k]) bad = i;
      ++i;
    }
    if (bad >= 0) {
      report->code = 5007;
      if (count != expected) {
        __builtin_snprintf(report->message, sizeof report->message,
                           "the kernel takes %d arguments, %d were given", expected, count);
      } else {
        __builtin_snprintf(report->message, sizeof report->message,
                           "argument %d of the kernel is %s, %s was given", bad + 1,
                           pointers[bad] ? "a pointer" : "passed by value",
                           pointers[bad] ? "a scalar" : "an array");
      }
      return 1;
    }
#ifdef XP_LOOP
    return xp_run(launch, loop, args, true);
#else
    return xp_run(launch, once, args, false);
#endif
  }
};
