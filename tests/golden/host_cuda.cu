
// Copies arrays of the host to the device, runs the kernel and copies them back.
// Then runs it as often as it is to be timed.
extern "C" const char* run_scale(int* launched, int repeats, float* least, void* host_x, int64_t n, double a, bool twice, void* host_y, void* host_seen, float h) {
  cudaError_t error = cudaSuccess;
  float* device_x = nullptr;
  float* device_y = nullptr;
  int8_t* device_seen = nullptr;
  if (!error) error = cudaMalloc(&device_x, 400);
  if (!error) error = cudaMalloc(&device_y, 400);
  if (!error) error = cudaMalloc(&device_seen, 100);
  if (!error) error = cudaMemcpy(device_x, host_x, 400, cudaMemcpyHostToDevice);
  if (!error) error = cudaMemcpy(device_y, host_y, 400, cudaMemcpyHostToDevice);
  if (!error) error = cudaMemcpy(device_seen, host_seen, 100, cudaMemcpyHostToDevice);
  *launched = !error;
  if (!error) error = launch_scale(device_x, n, a, twice, device_y, device_seen, (half)h, nullptr);
  if (!error) error = cudaDeviceSynchronize();
  if (!error) error = cudaMemcpy(host_y, device_y, 400, cudaMemcpyDeviceToHost);
  if (!error) error = cudaMemcpy(host_seen, device_seen, 100, cudaMemcpyDeviceToHost);
  cudaEvent_t begin = nullptr, end = nullptr;
  if (!error && repeats) error = cudaEventCreate(&begin);
  if (!error && repeats) error = cudaEventCreate(&end);
  for (int i = 0; i < repeats && !error; ++i) {
    float milliseconds = 0;
    error = cudaEventRecord(begin, nullptr);
    if (!error) error = launch_scale(device_x, n, a, twice, device_y, device_seen, (half)h, nullptr);
    if (!error) error = cudaEventRecord(end, nullptr);
    if (!error) error = cudaEventSynchronize(end);
    if (!error) error = cudaEventElapsedTime(&milliseconds, begin, end);
    if (!i || milliseconds < *least) *least = milliseconds;
  }
  if (begin) (void)cudaEventDestroy(begin);
  if (end) (void)cudaEventDestroy(end);
  (void)cudaFree(device_x);
  (void)cudaFree(device_y);
  (void)cudaFree(device_seen);
  return error ? cudaGetErrorString(error) : nullptr;
}
