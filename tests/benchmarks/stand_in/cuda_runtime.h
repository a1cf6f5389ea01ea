// A device of the kind that tests have: memory is malloc's, and a kernel without barriers is a loop
// over its threads. `__STAND_IN__` lets a text do here what it does not do in the emulator.
#pragma once
#include <cstdlib>
#include <cstring>
#include <utility>
#define __STAND_IN__ 1
#define __global__
#define __device__
#define __restrict__
#define __shared__ static
inline void __syncthreads() {}

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
static dim3 threadIdx, blockIdx, blockDim, gridDim;

enum cudaError_t { cudaSuccess, cudaErrorMemory, cudaErrorAddress };
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
static bool device_failed;

inline cudaError_t cudaMalloc(void** place, size_t bytes) {
  *place = malloc(bytes);
  memset(*place, 0x55, bytes);
  return bytes > 1000000 ? cudaErrorMemory : cudaSuccess;
}
inline cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  memcpy(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* place) {
  free(place);
  return cudaSuccess;
}
inline cudaError_t cudaDeviceSynchronize() {
  return device_failed ? cudaErrorAddress : cudaSuccess;
}
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorMemory ? "out of memory" : "an illegal memory access";
}
template <class T>
cudaError_t cudaFuncSetAttribute(T*, cudaFuncAttribute, int) {
  return cudaSuccess;
}

template <class... P, size_t... I>
void call_kernel(void (*kernel)(P...), void** arguments, std::index_sequence<I...>) {
  kernel(*(P*)arguments[I]...);
}
template <class... P>
cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** arguments, size_t,
                             void*) {
  gridDim = grid, blockDim = block;
  for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
    for (threadIdx.x = 0; threadIdx.x < block.x; ++threadIdx.x) {
      call_kernel(kernel, arguments, std::index_sequence_for<P...>());
    }
  }
  return cudaSuccess;
}
