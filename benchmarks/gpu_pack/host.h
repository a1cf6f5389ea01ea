// What the launchers of a pack share: arrays on the device, the launch, and how a run ends.
//
//     run INPUT OUTPUT   arrays as INPUT has them; what the kernel wrote goes to OUTPUT
//     run INPUT          for the tools of compute-sanitizer: outputs start without a value
//
// Both files hold the arrays one after another. The exit code is 0; 3 where the device reports a
// fault of the kernel; 4 where the device or the files cannot be used.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <tuple>
#include <utility>

namespace host {

enum { KERNEL_FAILED = 3, MACHINE_FAILED = 4 };

struct Array {
  size_t bytes;
  bool read, written;  // whether the kernel needs what it starts with, and whether it writes it
  void* device;
};

inline void need(cudaError_t error, const char* what, int code = MACHINE_FAILED) {
  if (error == cudaSuccess) return;
  fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  exit(code);
}

inline void need(bool good, const char* what) {
  if (good) return;
  fprintf(stderr, "%s failed\n", what);
  exit(MACHINE_FAILED);
}

inline void start(int argc, char** argv, Array* arrays, int count) {
  need(argc >= 2, "reading the name of the input");
  FILE* file = fopen(argv[1], "rb");
  need(file != nullptr, "opening the input");
  for (int i = 0; i < count; ++i) {
    void* bytes = malloc(arrays[i].bytes);
    need(fread(bytes, 1, arrays[i].bytes, file) == arrays[i].bytes, "reading the input");
    need(cudaMalloc(&arrays[i].device, arrays[i].bytes), "cudaMalloc");
    if (arrays[i].read || argc > 2) {
      need(cudaMemcpy(arrays[i].device, bytes, arrays[i].bytes, cudaMemcpyHostToDevice),
           "copying to the device");
    }
    free(bytes);
  }
  fclose(file);
}

inline int finish(int argc, char** argv, Array* arrays, int count) {
  need(cudaDeviceSynchronize(), "the kernel", KERNEL_FAILED);
  if (argc > 2) {
    FILE* file = fopen(argv[2], "wb");
    need(file != nullptr, "opening the output");
    for (int i = 0; i < count; ++i) {
      void* bytes = malloc(arrays[i].bytes);
      need(cudaMemcpy(bytes, arrays[i].device, arrays[i].bytes, cudaMemcpyDeviceToHost),
           "copying from the device", KERNEL_FAILED);
      need(fwrite(bytes, 1, arrays[i].bytes, file) == arrays[i].bytes, "writing the output");
      free(bytes);
    }
    need(fclose(file) == 0, "writing the output");
  }
  for (int i = 0; i < count; ++i) need(cudaFree(arrays[i].device), "cudaFree", KERNEL_FAILED);
  return 0;
}

template <class P>
P convert(const Array& array) {
  return (P)array.device;
}
template <class P, class V>
P convert(const V& value) {
  return (P)value;
}

template <class... P, size_t... I>
void launch_with(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared,
                 std::tuple<P...> values, std::index_sequence<I...>) {
  if (shared > 48 * 1024) {
    need(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared),
         "asking for shared memory", KERNEL_FAILED);
  }
  void* arguments[] = {(void*)&std::get<I>(values)..., nullptr};
  need(cudaLaunchKernel(kernel, grid, block, arguments, shared, 0), "the launch", KERNEL_FAILED);
}

// Launches `kernel`, whose parameters' types are deduced; values are converted to them.
template <class... P, class... V>
void launch(void (*kernel)(P...), dim3 grid, dim3 block, size_t shared, const V&... values) {
  static_assert(sizeof...(P) == sizeof...(V), "the kernel takes another number of arguments");
  launch_with(kernel, grid, block, shared, std::tuple<P...>(convert<P>(values)...),
              std::index_sequence_for<P...>());
}

}  // namespace host
