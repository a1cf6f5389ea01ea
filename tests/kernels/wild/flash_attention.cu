// Attention forward in tiles with online softmax: a block a (batch * head, tile of queries), one
// thread a query. Keys and values pass through shared memory Bc at a time; the matrix of scores is
// never stored. Q, K, V, O: (batch * heads, seq, HEAD_DIM).
#include <cuda_runtime.h>
#include <math.h>
#include <stdint.h>

template <int HEAD_DIM, int Br, int Bc>
__global__ void __launch_bounds__(Br)
flash_attention_forward(const float* __restrict__ Q, const float* __restrict__ K,
                        const float* __restrict__ V, float* __restrict__ O, float* __restrict__ L,
                        const int seq, const float softmax_scale, const bool causal) {
  __shared__ float Kj[Bc][HEAD_DIM];
  __shared__ float Vj[Bc][HEAD_DIM];

  const int tx = threadIdx.x;
  const int head = blockIdx.y;
  const int query = blockIdx.x * Br + tx;
  const int64_t qkv_offset = (int64_t)head * seq * HEAD_DIM;
  const bool active = query < seq;

  float q[HEAD_DIM], acc[HEAD_DIM];
#pragma unroll
  for (int d = 0; d < HEAD_DIM; ++d) {
    q[d] = active ? Q[qkv_offset + query * HEAD_DIM + d] * softmax_scale : 0.0f;
    acc[d] = 0.0f;
  }
  float row_max = -INFINITY, row_sum = 0.0f;

  // Under a causal mask the tiles right of the diagonal contribute nothing.
  const int last = causal ? min(seq, (int)(blockIdx.x + 1) * Br) : seq;
  for (int start = 0; start < last; start += Bc) {
    for (int i = tx; i < Bc * HEAD_DIM; i += Br) {
      const int key = start + i / HEAD_DIM;
      const int d = i % HEAD_DIM;
      Kj[i / HEAD_DIM][d] = key < seq ? K[qkv_offset + key * HEAD_DIM + d] : 0.0f;
      Vj[i / HEAD_DIM][d] = key < seq ? V[qkv_offset + key * HEAD_DIM + d] : 0.0f;
    }
    __syncthreads();

    if (active) {
      float s[Bc];
      float tile_max = -INFINITY;
#pragma unroll
      for (int y = 0; y < Bc; ++y) {
        const int key = start + y;
        float dot = 0.0f;
#pragma unroll
        for (int d = 0; d < HEAD_DIM; ++d) dot += q[d] * Kj[y][d];
        s[y] = key < seq && (!causal || key <= query) ? dot : -INFINITY;
        tile_max = fmaxf(tile_max, s[y]);
      }

      // A tile that is masked for this query leaves its state as it is.
      if (tile_max != -INFINITY) {
        const float new_max = fmaxf(row_max, tile_max);
        const float correction = __expf(row_max - new_max);
        row_sum *= correction;
#pragma unroll
        for (int d = 0; d < HEAD_DIM; ++d) acc[d] *= correction;
        for (int y = 0; y < Bc; ++y) {
          const float p = __expf(s[y] - new_max);
          row_sum += p;
#pragma unroll
          for (int d = 0; d < HEAD_DIM; ++d) acc[d] += p * Vj[y][d];
        }
        row_max = new_max;
      }
    }
    __syncthreads();
  }

  if (active) {
    const float inv = 1.0f / row_sum;
#pragma unroll
    for (int d = 0; d < HEAD_DIM; ++d) O[qkv_offset + query * HEAD_DIM + d] = acc[d] * inv;
    L[head * seq + query] = row_max + logf(row_sum);
  }
}
