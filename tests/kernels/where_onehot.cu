// where(mask, a, b) and a one-hot matrix of labels.
#include <cuda_runtime.h>

__global__ void where_onehot(const bool* mask, const float* a, const float* b, const int* label,
                             float* picked, float* onehot, int rows, int classes) {
    int c = blockIdx.x * blockDim.x + threadIdx.x;
    int r = blockIdx.y;
    if (c >= classes) return;
    int at = r * classes + c;
    picked[at] = mask[at] ? a[at] : b[at];
    onehot[at] = (label[r] == c) ? 1.0f : 0.0f;
}

int main() {
    const int rows = 25, classes = 70;
    bool *mask, *hm = new bool[rows * classes];
    float *a, *b, *p, *o, *h = new float[rows * classes];
    int *label, *hl = new int[rows];
    cudaMalloc(&mask, rows * classes);
    cudaMalloc(&a, rows * classes * sizeof(float));
    cudaMalloc(&b, rows * classes * sizeof(float));
    cudaMalloc(&p, rows * classes * sizeof(float));
    cudaMalloc(&o, rows * classes * sizeof(float));
    cudaMalloc(&label, rows * sizeof(int));
    cudaMemcpy(mask, hm, rows * classes, cudaMemcpyHostToDevice);
    cudaMemcpy(a, h, rows * classes * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(b, h, rows * classes * sizeof(float), cudaMemcpyHostToDevice);
    cudaMemcpy(label, hl, rows * sizeof(int), cudaMemcpyHostToDevice);
    where_onehot<<<dim3((classes + 31) / 32, rows), 32>>>(mask, a, b, label, p, o, rows, classes);
    cudaMemcpy(h, p, rows * classes * sizeof(float), cudaMemcpyDeviceToHost);
    cudaMemcpy(h, o, rows * classes * sizeof(float), cudaMemcpyDeviceToHost);
}
