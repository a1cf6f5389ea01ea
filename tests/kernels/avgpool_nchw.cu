// Average pooling, NCHW, padding not counted, 2-D blocks and a channel loop over blockIdx.z.
#include <cuda_runtime.h>

struct PoolParams {
    int channels, height, width, out_height, out_width;
    int kernel, stride, pad;
};

__global__ void avgpool(const float* in, float* out, PoolParams p) {
    int ow = blockIdx.x * blockDim.x + threadIdx.x;
    int oh = blockIdx.y * blockDim.y + threadIdx.y;
    int nc = blockIdx.z;
    if (ow >= p.out_width || oh >= p.out_height) return;
    int h0 = oh * p.stride - p.pad, w0 = ow * p.stride - p.pad;
    int h1 = min(h0 + p.kernel, p.height), w1 = min(w0 + p.kernel, p.width);
    h0 = max(h0, 0);
    w0 = max(w0, 0);
    float sum = 0.0f;
    for (int h = h0; h < h1; ++h)
        for (int w = w0; w < w1; ++w) sum += in[(nc * p.height + h) * p.width + w];
    out[(nc * p.out_height + oh) * p.out_width + ow] = sum / ((h1 - h0) * (w1 - w0));
}

int main() {
    PoolParams p = {3, 20, 17, 10, 9, 3, 2, 1};
    int n_in = 2 * p.channels * p.height * p.width, n_out = 2 * p.channels * p.out_height * p.out_width;
    float *in, *out, *h = new float[n_in];
    cudaMalloc(&in, n_in * sizeof(float));
    cudaMalloc(&out, n_out * sizeof(float));
    cudaMemcpy(in, h, n_in * sizeof(float), cudaMemcpyHostToDevice);
    dim3 b(8, 8), g((p.out_width + 7) / 8, (p.out_height + 7) / 8, 2 * p.channels);
    avgpool<<<g, b>>>(in, out, p);
    cudaMemcpy(h, out, n_out * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
