__kernel __attribute__((reqd_work_group_size(32, 1, 1)))
void rows(__global const float* restrict x, __global float* restrict y) {
  const int bx = (int)get_group_id(0);
  const int tx = (int)get_local_id(0);
  __local float x_shared[96];
  if (tx < 24) {
    for (int i = 0; i < 4; ++i) {
      x_shared[tx * 4 + i] = x[bx * 96 + tx * 4 + i];
    }
  }
  float s_local;
  float in_thread_s_local;
  volatile __local float red_buf0[32];
  in_thread_s_local = 0.0f;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int c_0 = 0; c_0 < 3; ++c_0) {
    in_thread_s_local += x_shared[c_0 * 32 + tx];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  red_buf0[tx] = in_thread_s_local;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (tx < 16) {
    red_buf0[tx] += red_buf0[tx + 16];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (tx < 8) {
    red_buf0[tx] += red_buf0[tx + 8];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (tx < 4) {
    red_buf0[tx] += red_buf0[tx + 4];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (tx < 2) {
    red_buf0[tx] += red_buf0[tx + 2];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (tx < 1) {
    red_buf0[tx] += red_buf0[tx + 1];
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  s_local = red_buf0[0];
  for (int c_1_0 = 0; c_1_0 < 3; ++c_1_0) {
    y[bx * 96 + c_1_0 * 32 + tx] = x_shared[c_1_0 * 32 + tx] / s_local;
  }
}
