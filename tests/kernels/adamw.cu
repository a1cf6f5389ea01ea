// AdamW update: parameters and both moments in place.
#include <cuda_runtime.h>

__device__ inline float lerp(float start, float end, float weight) {
    return fma(weight, end, fma(-weight, start, start));
}

__global__ void adamw(float* params_memory, const float* grads_memory, float* m_memory, float* v_memory,
                      long num_parameters, float learning_rate, float beta1, float beta2,
                      float beta1_correction, float beta2_correction, float eps, float weight_decay) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= num_parameters) return;
    float grad = grads_memory[i];
    float m = m_memory[i];
    float v = fabsf(v_memory[i]);
    m = lerp(grad, m, beta1);
    m_memory[i] = m;
    v = lerp(grad * grad, v, beta2);
    v_memory[i] = v;
    m /= beta1_correction;
    v /= beta2_correction;
    params_memory[i] -= learning_rate * (m / (sqrtf(v) + eps) + weight_decay * params_memory[i]);
}

int main() {
    const long n = 4097;
    float *p, *g, *m, *v, *h = new float[n];
    cudaMalloc(&p, n * sizeof(float));
    cudaMalloc(&g, n * sizeof(float));
    cudaMalloc(&m, n * sizeof(float));
    cudaMalloc(&v, n * sizeof(float));
    cudaMemcpy(p, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(g, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(m, h, n * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(v, h, n * sizeof(float), cudaMemcpyHostToDevice);
    int t = 3;
    adamw<<<(n + 511) / 512, 512>>>(p, g, m, v, n, 1e-3f, 0.9f, 0.999f, 1.0f - powf(0.9f, t), 1.0f - powf(0.999f, t), 1e-8f, 0.01f);
    cudaMemcpy(h, p, n * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(h, m, n * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(h, v, n * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
