// 16 x 64 of C a block of 64 threads, a 4 x 4 patch of it a thread; half operands widened on the way
// into shared memory, A transposed there.
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#define M 16
#define K 64
#define N 64
#define BM 16
#define BN 64
#define BK 16

__global__ void __launch_bounds__(64) dense_register_tile(const half* A, const half* B, const float* bias, float* C) {
    __shared__ float sa[BK][BM];
    __shared__ float sb[BK][BN];
    const int tid = threadIdx.x;
    const int ty = tid / 16, tx = tid % 16;
    const int m0 = blockIdx.y * BM, n0 = blockIdx.x * BN;

    float acc[4][4];
    for (int j = 0; j < 4; ++j) {
        const float start = bias[n0 + tx * 4 + j];
        for (int i = 0; i < 4; ++i) acc[i][j] = start;
    }
    for (int k0 = 0; k0 < K; k0 += BK) {
#pragma unroll
        for (int e = tid; e < BM * BK; e += 64) sa[e % BK][e / BK] = __half2float(A[(m0 + e / BK) * K + k0 + e % BK]);
#pragma unroll
        for (int e = tid; e < BK * BN / 2; e += 64) {
            const int k = e / (BN / 2), j = e % (BN / 2) * 2;
            const float2 two = __half22float2(*reinterpret_cast<const half2*>(&B[(k0 + k) * N + n0 + j]));
            sb[k][j] = two.x;
            sb[k][j + 1] = two.y;
        }
        __syncthreads();
        for (int k = 0; k < BK; ++k) {
            const float4 b = *reinterpret_cast<const float4*>(&sb[k][tx * 4]);
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                const float a = sa[k][ty * 4 + i];
                acc[i][0] += a * b.x;
                acc[i][1] += a * b.y;
                acc[i][2] += a * b.z;
                acc[i][3] += a * b.w;
            }
        }
        __syncthreads();
    }
    for (int i = 0; i < 4; ++i) {
        float4 out = make_float4(acc[i][0], acc[i][1], acc[i][2], acc[i][3]);
        *reinterpret_cast<float4*>(&C[(m0 + ty * 4 + i) * N + n0 + tx * 4]) = out;
    }
}
