// The pointwise part of an LSTM step: gates (input, forget, cell, output) already multiplied out.
#include <cuda_runtime.h>

namespace rnn {

enum class Gate : int { Input = 0, Forget = 1, Cell = 2, Output = 3 };

template <class T>
__device__ __forceinline__ T sigmoid(T x) {
  return T(1) / (T(1) + exp(-x));
}

template <class T>
__device__ __forceinline__ T gate(const T* g, const T* b, Gate which, int hidden, int j) {
  const int at = static_cast<int>(which) * hidden + j;
  return g[at] + b[at];
}

}  // namespace rnn

template <class T>
__global__ void lstm_cell(const T* __restrict__ gates, const T* __restrict__ bias,
                          T* __restrict__ cell, T* __restrict__ out, int batch, int hidden) {
  using namespace rnn;
  const int total = batch * hidden;
  for (int idx = blockIdx.x * blockDim.x + threadIdx.x; idx < total; idx += gridDim.x * blockDim.x) {
    const int b = idx / hidden, j = idx % hidden;
    const T* g = gates + b * 4 * hidden;

    const T i = sigmoid(gate(g, bias, Gate::Input, hidden, j));
    const T f = sigmoid(gate(g, bias, Gate::Forget, hidden, j));
    const T c = tanh(gate(g, bias, Gate::Cell, hidden, j));
    const T o = sigmoid(gate(g, bias, Gate::Output, hidden, j));

    const T next = f * cell[idx] + i * c;
    cell[idx] = next;
    out[idx] = o * tanh(next);
  }
}
