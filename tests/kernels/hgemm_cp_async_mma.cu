// Half-precision product: two stages of cp.async, ldmatrix and mma.sync through macros.
#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <stdint.h>

#define CP_ASYNC_CG(dst, src) \
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(dst), "l"(src))
#define CP_ASYNC_COMMIT() asm volatile("cp.async.commit_group;\n" ::)
#define CP_ASYNC_WAIT(n) asm volatile("cp.async.wait_group %0;\n" ::"n"(n))
#define LDMATRIX_X4(r, addr)                                                          \
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n" \
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(addr))
#define LDMATRIX_X2_T(r, addr)                                                      \
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];\n" \
                 : "=r"(r[0]), "=r"(r[1]) : "r"(addr))
#define HMMA16816(d, a, b)                                                          \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "               \
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n" \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                   \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

constexpr int BM = 32, BN = 16, BK = 16, LDA = BK + 8, LDB = BN + 8;

__global__ void hgemm(const half* __restrict__ A, const half* __restrict__ B,
                      float* __restrict__ C, int N, int K) {
    __shared__ __align__(16) half As[2][BM * LDA];
    __shared__ __align__(16) half Bs[2][BK * LDB];
    const int tid = threadIdx.x, warp = tid / 32, lane = tid % 32;
    const int row = blockIdx.y * BM, col = blockIdx.x * BN;
    // 64 threads: each brings 16 bytes of A, half of them 16 bytes of B.
    const int ar = tid / 2, ac = tid % 2 * 8;
    auto load = [&](int stage, int k) {
        uint32_t a_dst = (uint32_t)__cvta_generic_to_shared(&As[stage][ar * LDA + ac]);
        CP_ASYNC_CG(a_dst, &A[(row + ar) * K + k + ac]);
        if (tid < 32) {
            uint32_t b_dst = (uint32_t)__cvta_generic_to_shared(&Bs[stage][ar * LDB + ac]);
            CP_ASYNC_CG(b_dst, &B[(k + ar) * N + col + ac]);
        }
        CP_ASYNC_COMMIT();
    };
    float acc[2][4] = {};
    load(0, 0);
    for (int t = 0; t < K / BK; ++t) {
        if (t + 1 < K / BK) {
            load((t + 1) & 1, (t + 1) * BK);
            CP_ASYNC_WAIT(1);
        } else {
            CP_ASYNC_WAIT(0);
        }
        __syncthreads();
        uint32_t ra[4], rb[2];
        const half* a_tile = &As[t & 1][(warp * 16 + lane % 16) * LDA + lane / 16 * 8];
        LDMATRIX_X4(ra, (uint32_t)__cvta_generic_to_shared(a_tile));
        for (int n = 0; n < 2; ++n) {
            const half* b_tile = &Bs[t & 1][lane % 16 * LDB + n * 8];
            LDMATRIX_X2_T(rb, (uint32_t)__cvta_generic_to_shared(b_tile));
            HMMA16816(acc[n], ra, rb);
        }
        __syncthreads();
    }
    for (int n = 0; n < 2; ++n)
        for (int i = 0; i < 4; ++i) {
            int r = row + warp * 16 + lane / 4 + i / 2 * 8;
            int c = col + n * 8 + lane % 4 * 2 + i % 2;
            C[r * N + c] = acc[n][i];
        }
}

int main() {
    const int M = 64, N = 32, K = 48;
    half *a, *b;
    float *c, *h = new float[M * N];
    cudaMalloc(&a, M * K * sizeof(half));
    cudaMalloc(&b, K * N * sizeof(half));
    cudaMalloc(&c, M * N * sizeof(float));
    cudaMemcpy(a, h, M * K * sizeof(half), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, K * N * sizeof(half), cudaMemcpyHostToDevice);
    hgemm<<<dim3(N / BN, M / BM), 64>>>(a, b, c, N, K);
    cudaMemcpy(h, c, M * N * sizeof(float), cudaMemcpyDeviceToHost);
}
