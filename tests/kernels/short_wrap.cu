// Arithmetic in short and unsigned short, wrap on assignment, int promotion.
#include <cuda_runtime.h>

__global__ void shorts(const short* a, const unsigned short* b, short* p, unsigned short* q, long long* r, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    short s = a[i];
    s *= 1000;
    p[i] = s;
    unsigned short t = b[i];
    t = t * t * 37 - 5;
    q[i] = t;
    r[i] = (long long)a[i] * 100000000000ll + (a[i] * b[i]) + (long long)(unsigned)a[i];
}

int main() {
    short *a, *host_a = new short[333];
    unsigned short *b, *host_b = new unsigned short[333];
    short *p, *host_p = new short[333];
    unsigned short *q, *host_q = new unsigned short[333];
    long long *r, *host_r = new long long[333];
    cudaMalloc(&a, (333) * sizeof(short));
    cudaMalloc(&b, (333) * sizeof(unsigned short));
    cudaMalloc(&p, (333) * sizeof(short));
    cudaMalloc(&q, (333) * sizeof(unsigned short));
    cudaMalloc(&r, (333) * sizeof(long long));
    cudaMemcpy(a, host_a, (333) * sizeof(short), cudaMemcpyHostToDevice);
    cudaMemcpy(b, host_b, (333) * sizeof(unsigned short), cudaMemcpyHostToDevice);
    shorts<<<6, 64>>>(a, b, p, q, r, 333);
    cudaMemcpy(host_p, p, (333) * sizeof(short), cudaMemcpyDeviceToHost);
    cudaMemcpy(host_q, q, (333) * sizeof(unsigned short), cudaMemcpyDeviceToHost);
    cudaMemcpy(host_r, r, (333) * sizeof(long long), cudaMemcpyDeviceToHost);
    return 0;
}
