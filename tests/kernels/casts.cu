// Conversions between types, one thread an element.
#include <cuda_runtime.h>

__global__ void convert(const float* f, const int* i, const double* d, int* f2i, float* i2f,
                        float* d2f, unsigned char* i2b, int n) {
    const unsigned t = blockDim.x * blockIdx.x + threadIdx.x;
    if (t < (unsigned)n) {
        f2i[t] = (int)(f[t] * 1000.0f);
        i2f[t] = static_cast<float>(i[t]) / 3;
        d2f[t] = float(d[t]);
        i2b[t] = (unsigned char)i[t];
    }
}

template <typename T>
T* device_array(size_t n) {
    T* p;
    cudaMalloc(&p, n * sizeof(T));
    return p;
}

int main() {
    const int n = 1003;
    float *f = device_array<float>(n), *i2f = device_array<float>(n), *d2f = device_array<float>(n);
    int *i = device_array<int>(n), *f2i = device_array<int>(n);
    double* d = device_array<double>(n);
    unsigned char* i2b = device_array<unsigned char>(n);
    convert<<<(n + 255) / 256, 256>>>(f, i, d, f2i, i2f, d2f, i2b, n);
    cudaDeviceSynchronize();
    return 0;
}
