// Log-softmax over classes, one thread a sample, pointers that advance.
#include <cuda_runtime.h>
#include <cfloat>

__global__ void log_softmax(const float* logits, float* out, int batch, int classes) {
    for (int b = blockIdx.x * blockDim.x + threadIdx.x; b < batch; b += gridDim.x * blockDim.x) {
        const float* p = logits + b * classes;
        float big = -FLT_MAX;
        for (int k = 0; k < classes; ++k, ++p) big = fmaxf(big, *p);
        p = logits + b * classes;
        float total = 0.0f;
        for (int k = 0; k < classes; ++k) total += expf(*p++ - big);
        const float lse = big + logf(total);
        for (int k = 0; k < classes; ++k) out[b * classes + k] = logits[b * classes + k] - lse;
    }
}

int main() {
    int batch = 300, classes = 10;
    float *l, *o, *h = new float[batch * classes];
    size_t bytes = sizeof(float) * batch * classes;
    cudaMalloc(&l, bytes);
    cudaMalloc(&o, bytes);
    cudaMemcpy(l, h, bytes, cudaMemcpyHostToDevice);
    log_softmax<<<2, 64>>>(l, o, batch, classes);
    cudaMemcpy(h, o, bytes, cudaMemcpyDeviceToHost);
}
