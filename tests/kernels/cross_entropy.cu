// Cross-entropy loss of each row from its logits and its label, one thread a row.
#include <cuda_runtime.h>
#include <math.h>

__global__ void cross_entropy(const float* logits, const int* labels, float* loss, int N, int V) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < N) {
        const float* row = logits + i * V;
        float mx = row[0];
        for (int v = 1; v < V; v++) mx = row[v] > mx ? row[v] : mx;
        float sum = 0.0f;
        for (int v = 0; v < V; v++) sum += expf(row[v] - mx);
        int target = abs(labels[i]) % V;
        loss[i] = logf(sum) + mx - row[target];
    }
}

int main() {
    int N = 50, V = 70, *t, *ht = new int[N];
    float *x, *l, *h = new float[N * V];
    cudaMalloc(&x, N * V * sizeof(float));
    cudaMalloc(&t, N * sizeof(int));
    cudaMalloc(&l, N * sizeof(float));
    cudaMemcpy(x, h, N * V * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(t, ht, N * sizeof(int), cudaMemcpyHostToDevice);
    cross_entropy<<<(N + 31) / 32, 32>>>(x, t, l, N, V);
    cudaMemcpy(h, l, N * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
