__global__ void copy(const float *x, float *y, int n) {
    int i = threadIdx.x;
    if (x[i] > 0.0f) goto done;
    y[i] = x[i];
done:
    y[i] = 0.0f;
}
