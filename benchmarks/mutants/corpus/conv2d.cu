// NCHW, padding 1, stride 2.
__global__ void conv2d(const float* x, const float* w, float* y, int channels, int height,
                       int width, int filters, int out_h, int out_w) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= filters * out_h * out_w) return;
  int ow = i % out_w;
  int oh = i / out_w % out_h;
  int f = i / (out_w * out_h);
  float sum = 0.0f;
  for (int c = 0; c < channels; ++c) {
    for (int kh = 0; kh < 3; ++kh) {
      for (int kw = 0; kw < 3; ++kw) {
        int h = oh * 2 + kh - 1;
        int v = ow * 2 + kw - 1;
        if (h >= 0 && h < height && v >= 0 && v < width) {
          sum += x[(c * height + h) * width + v] * w[((f * channels + c) * 3 + kh) * 3 + kw];
        }
      }
    }
  }
  y[i] = sum;
}
