// Token and position embedding; a token out of range reads row zero.
#include <cuda_runtime.h>

__global__ void encoder_forward(float* out, const int* inp, const float* wte, const float* wpe, int B,
                                int T, int C, int V) {
    int idx = blockIdx.x * blockDim.x + threadIdx.x;
    int N = B * T * C;
    if (idx < N) {
        int bt = idx / C;
        int b = bt / T;
        int t = bt % T;
        int c = idx % C;
        int ix = inp[b * T + t];
        ix = (ix >= 0 && ix < V) ? ix : 0;
        out[b * T * C + t * C + c] = wte[ix * C + c] + wpe[t * C + c];
    }
}

int main() {
    int B = 3, T = 12, C = 40, V = 64;
    float *out, *wte, *wpe, *h = new float[B * T * C + V * C];
    int *inp, *hi = new int[B * T];
    cudaMalloc(&out, B * T * C * sizeof(float));
    cudaMalloc(&inp, B * T * sizeof(int));
    cudaMalloc(&wte, V * C * sizeof(float));
    cudaMalloc(&wpe, T * C * sizeof(float));
    cudaMemcpy(inp, hi, B * T * sizeof(int), cudaMemcpyHostToDevice);
    cudaMemcpy(wte, h, V * C * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(wpe, h, T * C * sizeof(float), cudaMemcpyHostToDevice);
    encoder_forward<<<(B * T * C + 127) / 128, 128>>>(out, inp, wte, wpe, B, T, C, V);
    cudaMemcpy(h, out, B * T * C * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
