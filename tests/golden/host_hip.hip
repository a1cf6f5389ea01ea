
// Copies arrays of the host to the device, runs the kernel and copies them back.
// Then runs it as often as it is to be timed.
extern "C" const char* run_scale(int* launched, int repeats, float* least, void* host_x, int64_t n, double a, bool twice, void* host_y, void* host_seen, float h) {
  hipError_t error = hipSuccess;
  float* device_x = nullptr;
  float* device_y = nullptr;
  int8_t* device_seen = nullptr;
  if (!error) error = hipMalloc(&device_x, 400);
  if (!error) error = hipMalloc(&device_y, 400);
  if (!error) error = hipMalloc(&device_seen, 100);
  if (!error) error = hipMemcpy(device_x, host_x, 400, hipMemcpyHostToDevice);
  if (!error) error = hipMemcpy(device_y, host_y, 400, hipMemcpyHostToDevice);
  if (!error) error = hipMemcpy(device_seen, host_seen, 100, hipMemcpyHostToDevice);
  *launched = !error;
  if (!error) error = launch_scale(device_x, n, a, twice, device_y, device_seen, (_Float16)h, nullptr);
  if (!error) error = hipDeviceSynchronize();
  if (!error) error = hipMemcpy(host_y, device_y, 400, hipMemcpyDeviceToHost);
  if (!error) error = hipMemcpy(host_seen, device_seen, 100, hipMemcpyDeviceToHost);
  hipEvent_t begin = nullptr, end = nullptr;
  if (!error && repeats) error = hipEventCreate(&begin);
  if (!error && repeats) error = hipEventCreate(&end);
  for (int i = 0; i < repeats && !error; ++i) {
    float milliseconds = 0;
    error = hipEventRecord(begin, nullptr);
    if (!error) error = launch_scale(device_x, n, a, twice, device_y, device_seen, (_Float16)h, nullptr);
    if (!error) error = hipEventRecord(end, nullptr);
    if (!error) error = hipEventSynchronize(end);
    if (!error) error = hipEventElapsedTime(&milliseconds, begin, end);
    if (!i || milliseconds < *least) *least = milliseconds;
  }
  if (begin) (void)hipEventDestroy(begin);
  if (end) (void)hipEventDestroy(end);
  (void)hipFree(device_x);
  (void)hipFree(device_y);
  (void)hipFree(device_seen);
  return error ? hipGetErrorString(error) : nullptr;
}
