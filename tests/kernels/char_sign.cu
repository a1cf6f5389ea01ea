// Plain char is signed; shifts of negative values; byte comparisons.
#include <cuda_runtime.h>

__global__ void chars(const char* a, const unsigned char* b, int* out, unsigned* shifted, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    char c = a[i];
    unsigned char u = b[i];
    c += 100;
    u -= 200;
    out[i] = (c < 0 ? -1 : 1) * u + (a[i] >> 2) + (-a[i] / 3) + (a[i] < b[i]);
    shifted[i] = ((unsigned)a[i] >> 3) + (unsigned short)(a[i] * 300) + (~u & 0xff);
}

int main() {
    char *a, *host_a = new char[900];
    unsigned char *b, *host_b = new unsigned char[900];
    int *o, *host_o = new int[900];
    unsigned *s, *host_s = new unsigned[900];
    cudaMalloc(&a, (900) * sizeof(char));
    cudaMalloc(&b, (900) * sizeof(unsigned char));
    cudaMalloc(&o, (900) * sizeof(int));
    cudaMalloc(&s, (900) * sizeof(unsigned));
    cudaMemcpy(a, host_a, (900) * sizeof(char), cudaMemcpyHostToDevice);
    cudaMemcpy(b, host_b, (900) * sizeof(unsigned char), cudaMemcpyHostToDevice);
    chars<<<8, 128>>>(a, b, o, s, 900);
    cudaMemcpy(host_o, o, (900) * sizeof(int), cudaMemcpyDeviceToHost);
    cudaMemcpy(host_s, s, (900) * sizeof(unsigned), cudaMemcpyDeviceToHost);
    return 0;
}
