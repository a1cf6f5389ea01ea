// im2col with padding: the inverse of a gather, zeros outside.
#include <cuda_runtime.h>

__global__ void im2col(int n, const float* im, int height, int width, int ksize, int pad, int stride, int hcol, int wcol, float* col) {
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    for (; index < n; index += blockDim.x * gridDim.x) {
        int w_out = index % wcol;
        int h_index = index / wcol;
        int h_out = h_index % hcol;
        int c_in = h_index / hcol;
        int c_out = c_in * ksize * ksize;
        int h_in = h_out * stride - pad, w_in = w_out * stride - pad;
        float* p = col;
        p += (c_out * hcol + h_out) * wcol + w_out;
        const float* q = im;
        q += (c_in * height + h_in) * width + w_in;
        for (int i = 0; i < ksize; ++i)
            for (int j = 0; j < ksize; ++j) {
                int h = h_in + i, w = w_in + j;
                *p = (h >= 0 && w >= 0 && h < height && w < width) ? q[i * width + j] : 0;
                p += hcol * wcol;
            }
    }
}

int main() {
    float *im, *host_im = new float[3*11*9];
    float *col, *host_col = new float[27*6*5];
    cudaMalloc(&im, (3*11*9) * sizeof(float));
    cudaMalloc(&col, (27*6*5) * sizeof(float));
    cudaMemcpy(im, host_im, (3*11*9) * sizeof(float), cudaMemcpyHostToDevice);
    im2col<<<2, 32>>>(90, im, 11, 9, 3, 1, 2, 6, 5, col);
    cudaMemcpy(host_col, col, (27*6*5) * sizeof(float), cudaMemcpyDeviceToHost);
    return 0;
}
