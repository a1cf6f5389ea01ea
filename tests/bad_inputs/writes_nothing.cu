__global__ void copy(const float *x, float *y, int n) {
    float sum = 0.0f;
    for (int i = 0; i < n; i++) sum += x[i];
}
