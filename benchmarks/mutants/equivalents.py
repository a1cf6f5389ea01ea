"""Mutants of the corpus that do what the original does, each with the reason.

Many were looked at because they survived; each is here because of what was read in the kernel: an
entry says why no input and no order of the threads can tell the two apart, in this launch. It is
looked up only for mutants whose values are right, so that a fault of the same words elsewhere in a
kernel, where it can be told, still counts.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Equivalent:
    """A line of a kernel of the corpus, as `TextFault.diff` gives it before and after the fault."""

    kernel: str
    before: str
    after: str
    reason: str


EQUIVALENTS: tuple[Equivalent, ...] = (
    Equivalent(
        "softmax_rows.cu",
        "most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, mask));",
        "most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, mask + 1));",
        "17, 9, 5, 3 and 2 are independent as bit vectors: every lane still meets all others",
    ),
    Equivalent(
        "softmax_rows.cu",
        "sum += __shfl_xor_sync(0xffffffffu, sum, mask);",
        "sum += __shfl_xor_sync(0xffffffffu, sum, mask + 1);",
        "17, 9, 5, 3 and 2 are independent as bit vectors: every lane still meets all others once",
    ),
    Equivalent(
        "softmax_wave.hip",
        "for (int mask = 32; mask > 0; mask >>= 1) most = fmaxf(most, __shfl_xor(most, mask));",
        "for (int mask = 33; mask > 0; mask >>= 1) most = fmaxf(most, __shfl_xor(most, mask));",
        "33, 16, 8, 4, 2 and 1 are independent as bit vectors: every lane still meets all others",
    ),
    Equivalent(
        "softmax_wave.hip",
        "for (int mask = 32; mask > 0; mask >>= 1) sum += __shfl_xor(sum, mask);",
        "for (int mask = 33; mask > 0; mask >>= 1) sum += __shfl_xor(sum, mask);",
        (
            "33, 16, 8, 4, 2 and 1 are independent as bit vectors: every lane still meets all "
            "others once"
        ),
    ),
    Equivalent(
        "quantize.cu",
        "__global__ void quantize(const float* x, signed char* y, int n, float scale) {",
        "__global__ void quantize(const float* x, unsigned char* y, int n, float scale) {",
        "y is only stored to, and the byte that is stored is the same",
    ),
    Equivalent(
        "quantize.cu",
        "y[i] = (signed char)q;",
        "y[i] = (unsigned char)q;",
        "the byte that is stored is the same",
    ),
    Equivalent(
        "quantize.cu",
        '(T.Cast("int64", q) & T.int64(255) ^ T.int64(128)) - T.int64(128)',
        '(T.Cast("int64", q) & T.int64(255) ^ T.int64(128)) + T.int64(128)',
        "the two differ by 256, and a byte is stored",
    ),
    Equivalent(
        "dot_u8.hip",
        (
            "__global__ void dot_u8(const uint8_t* x, const int8_t* w, const int* bias, "
            "uint8_t* y, int rows,"
        ),
        (
            "__global__ void dot_u8(const uint8_t* x, const int8_t* w, const int* bias, "
            "int8_t* y, int rows,"
        ),
        "y is only stored to, and the byte that is stored is the same",
    ),
    Equivalent(
        "dot_u8.hip",
        "y[r * cols + c] = (uint8_t)sum;",
        "y[r * cols + c] = (int8_t)sum;",
        "the byte that is stored is the same",
    ),
    Equivalent(
        "gemm_dp4a.cu",
        (
            "__global__ void gemm_dp4a(const signed char* a, const signed char* b, int* c, int "
            "m, int k, int n) {"
        ),
        (
            "__global__ void gemm_dp4a(const unsigned char* a, const signed char* b, int* c, "
            "int m, int k, int n) {"
        ),
        "the bytes are only read as words; their sign is __dp4a's",
    ),
    Equivalent(
        "gemm_dp4a.cu",
        (
            "__global__ void gemm_dp4a(const signed char* a, const signed char* b, int* c, int "
            "m, int k, int n) {"
        ),
        (
            "__global__ void gemm_dp4a(const signed char* a, const unsigned char* b, int* c, "
            "int m, int k, int n) {"
        ),
        "the bytes are only read as words; their sign is __dp4a's",
    ),
    Equivalent(
        "argmax_rows.cu",
        "for (int c = t + BLOCK; c < cols; c += BLOCK) {",
        "for (int c = t + (BLOCK - 1); c < cols; c += BLOCK) {",
        (
            "columns 0 to 31, then 31 to 62, then 63 to 74: all are seen, in an order that "
            "keeps the first"
        ),
    ),
    Equivalent(
        "argmax_rows.cu",
        "if (v > values[t] || (v == values[t] && p < places[t])) {",
        "if (v > values[t] || (v == values[t] && p <= places[t])) {",
        "the places that two threads hold are never equal",
    ),
    Equivalent(
        "gather_rows.cu",
        "int from = index[r];",
        "unsigned from = index[r];",
        "a negative number becomes one above entries, which the second test refuses",
    ),
    Equivalent(
        "conv2d.cu",
        "int h = oh * 2 + kh - 1;",
        "unsigned h = oh * 2 + kh - 1;",
        "-1 becomes a number above the extent, which the second test refuses",
    ),
    Equivalent(
        "conv2d.cu",
        "int v = ow * 2 + kw - 1;",
        "unsigned v = ow * 2 + kw - 1;",
        "-1 becomes a number above the extent, which the second test refuses",
    ),
    Equivalent(
        "dot_shuffle.cu",
        "int lane = threadIdx.x % 32, warp = threadIdx.x / 32;",
        "int lane = threadIdx.x % 32, warp = threadIdx.x / (32 - 1);",
        (
            "lanes 0 have the same warp as before; thread 31, which the last sum does without, "
            "has left"
        ),
    ),
    Equivalent(
        "dot_shuffle.cu",
        "if (warp == 0) {",
        "if (warp != 0) {",
        "every warp computes the same sum from shared memory and stores the same value",
    ),
    Equivalent(
        "sum_tree.cu",
        "if (t == 0) y[blockIdx.x] = partial[0];",
        "if (t != 0) y[blockIdx.x] = partial[0];",
        "all threads store the same value",
    ),
    Equivalent(
        "sum_tree.cu",
        "if (t == 0) y[blockIdx.x] = partial[0];",
        "if (true) y[blockIdx.x] = partial[0];",
        "all threads store the same value",
    ),
    Equivalent(
        "layernorm.cu",
        "float centred = in[c] - mean;",
        "float centred = mean - (in[c]);",
        "its square alone is used",
    ),
    Equivalent(
        "layernorm.cu",
        "x[bx * 91 + c_1 * 64 + tx] - mean[tx]",
        "mean[tx] - x[bx * 91 + c_1 * 64 + tx]",
        "its square alone is used",
    ),
    Equivalent(
        "half_scale.mlu",
        "if (rest <= 0) return;",
        "if (rest < 0) return;",
        "the rests of this launch are 130, 82, 34 and -14",
    ),
    Equivalent(
        "scan_rows.cu",
        "for tx in range(64):",
        "for tx in range(63):",
        "the last thread's element lies beyond the 53 columns, and nobody reads it",
    ),
    Equivalent(
        "add_tiles.mlu",
        "for (int start = taskId * TILE; start < n; start += taskDim * TILE) {",
        "for (int start = taskId * TILE; start < n + 1; start += taskDim * TILE) {",
        "the starts are multiples of 96, none of which is 499 or 500",
    ),
    Equivalent(
        "add_tiles.mlu",
        "for (int start = taskId * TILE; start < n; start += taskDim * TILE) {",
        "for (int start = taskId * TILE; start < n - 1; start += taskDim * TILE) {",
        "the starts are multiples of 96, none of which is 499 or 500",
    ),
    Equivalent(
        "add_tiles.mlu",
        "for (int start = taskId * TILE; start < n; start += taskDim * TILE) {",
        "for (int start = taskId * TILE; start <= n; start += taskDim * TILE) {",
        "the starts are multiples of 96, none of which is 499 or 500",
    ),
    Equivalent(
        "add_tiles.mlu",
        "int count = n - start < TILE ? n - start : TILE;",
        "int count = n - start < TILE - 1 ? n - start : TILE;",
        "what is left of 500 is 20, or more than a tile",
    ),
    Equivalent(
        "silu_mul.mlu",
        "for (int start = first; start < last; start += TILE) {",
        "for (int start = first; start < last + 1; start += TILE) {",
        "a task's parts start 0 and 64 after its first element, and it has 102 or 103",
    ),
    Equivalent(
        "silu_mul.mlu",
        "for (int start = first; start < last; start += TILE) {",
        "for (int start = first; start < last - 1; start += TILE) {",
        "a task's parts start 0 and 64 after its first element, and it has 102 or 103",
    ),
    Equivalent(
        "silu_mul.mlu",
        "for (int start = first; start < last; start += TILE) {",
        "for (int start = first; start <= last; start += TILE) {",
        "a task's parts start 0 and 64 after its first element, and it has 102 or 103",
    ),
    Equivalent(
        "silu_mul.mlu",
        "int last = first + per_task < n ? first + per_task : n;",
        "int last = first + per_task < n - 1 ? first + per_task : n;",
        "the ends are 103, 206, 309 and 412, and n is 411",
    ),
    Equivalent(
        "silu_mul.mlu",
        "if (count > TILE) count = TILE;",
        "if (count > TILE + 1) count = TILE;",
        "the counts are 102 or 103, and 38 or 39",
    ),
    Equivalent(
        "silu_mul.mlu",
        "if (count > TILE) count = TILE;",
        "if (count > TILE - 1) count = TILE;",
        "the counts are 102 or 103, and 38 or 39",
    ),
    Equivalent(
        "silu_mul.mlu",
        "if (count > TILE) count = TILE;",
        "if (count >= TILE) count = TILE;",
        "the counts are 102 or 103, and 38 or 39",
    ),
    Equivalent(
        "half_scale.mlu",
        "if (rest <= 0) return;",
        "if (rest <= 0 + 1) return;",
        "the rests of this launch are 130, 82, 34 and -14",
    ),
    Equivalent(
        "half_scale.mlu",
        "if (rest <= 0) return;",
        "if (rest <= 0 - 1) return;",
        "the rests of this launch are 130, 82, 34 and -14",
    ),
    Equivalent(
        "half_scale.mlu",
        "int count = rest < TILE ? rest : TILE;",
        "int count = rest < TILE - 1 ? rest : TILE;",
        "the rests of this launch are 130, 82 and 34",
    ),
    Equivalent(
        "row_sum.mlu",
        "for (int i = 0; i < MOST; i += 32) sum += sums[i];",
        "for (int i = 0; i < MOST - 1; i += 32) sum += sums[i];",
        "i is 0, 32, 64, 96 and 128",
    ),
    Equivalent(
        "matmul_tile.cu",
        "for (int start = 0; start < k; start += TILE) {",
        "for (int start = 0; start < k - 1; start += TILE) {",
        "the starts are multiples of 8, and k is 24",
    ),
    Equivalent(
        "matmul_lds.hip",
        "for (int at = 0; at < k; at += 8) {",
        "for (int at = 0; at < k - 1; at += 8) {",
        "at is a multiple of 8, and k is 24",
    ),
    Equivalent(
        "wmma_gemm.cu",
        "for (int i = 0; i < k; i += 16) {",
        "for (int i = 0; i < k - 1; i += 16) {",
        "i is a multiple of 16, and k is 48",
    ),
    Equivalent(
        "mfma_gemm.hip",
        "for (int i = 0; i < k; i += 4) {",
        "for (int i = 0; i < k - 1; i += 4) {",
        "i is a multiple of 4, and k is 20",
    ),
    Equivalent(
        "scan_rows.cu",
        "for (int step = 1; step < cols; step *= 2) {",
        "for (int step = 1; step < cols + 1; step *= 2) {",
        "the steps are powers of two, and there are 53 columns",
    ),
    Equivalent(
        "scan_rows.cu",
        "for (int step = 1; step < cols; step *= 2) {",
        "for (int step = 1; step < cols - 1; step *= 2) {",
        "the steps are powers of two, and there are 53 columns",
    ),
    Equivalent(
        "scan_rows.cu",
        "for (int step = 1; step < cols; step *= 2) {",
        "for (int step = 1; step <= cols; step *= 2) {",
        "the steps are powers of two, and there are 53 columns",
    ),
    Equivalent(
        "sort_rows.hip",
        "for (int round = 0; round < COUNT; ++round) {",
        "for (int round = 0; round < COUNT + 1; ++round) {",
        "a sorted row stays sorted",
    ),
    Equivalent(
        "sort_rows.hip",
        "for (int round = 0; round < COUNT; ++round) {",
        "for (int round = 0; round <= COUNT; ++round) {",
        "a sorted row stays sorted",
    ),
    Equivalent(
        "sort_rows.hip",
        "if (low > high) {",
        "if (low >= high) {",
        "equal keys may be exchanged",
    ),
    Equivalent(
        "stencil_halo.cu",
        "cache[at - RADIUS] = before >= 0 ? x[before] : 0.0f;",
        "cache[at - RADIUS] = before >= 0 + 1 ? x[before] : 0.0f;",
        "before is -2 or -1, or 30 and more",
    ),
    Equivalent(
        "stencil_halo.cu",
        "cache[at - RADIUS] = before >= 0 ? x[before] : 0.0f;",
        "cache[at - RADIUS] = before > 0 ? x[before] : 0.0f;",
        "before is -2 or -1, or 30 and more",
    ),
    Equivalent(
        "argmax_rows.cu",
        "if (v > values[t] || (v == values[t] && p < places[t])) {",
        "if (v > values[t] || (v == values[t] && p < (places[t]) + 1)) {",
        "the places that two threads hold are never equal",
    ),
    Equivalent(
        "sram_broadcast.mlu",
        "if (coreId == 0) {",
        "if (coreId == (0 + 1)) {",
        "any core of the cluster may fetch the weights",
    ),
    Equivalent(
        "silu_mul.mlu",
        "int per_task = (n + taskDim - 1) / taskDim;",
        "int per_task = (n + taskDim - (1 + 1)) / taskDim;",
        "a quarter of 413 is 103, as is a quarter of 414",
    ),
    Equivalent(
        "sort_rows.hip",
        "if (low > high) {",
        "if (low > high - 1) {",
        "equal keys may be exchanged",
    ),
    Equivalent(
        "softmax_wave.hip",
        "for (int mask = 32; mask > 0; mask >>= 1) most = fmaxf(most, __shfl_xor(most, mask));",
        "for (int mask = 32; mask > 0; mask >>= 1) most = fmaxf(most, __shfl_xor(most, mask + 1));",
        "33, 17, 9, 5, 3 and 2 are independent as bit vectors: every lane still meets all others",
    ),
    Equivalent(
        "softmax_wave.hip",
        "for (int mask = 32; mask > 0; mask >>= 1) sum += __shfl_xor(sum, mask);",
        "for (int mask = 32; mask > 0; mask >>= 1) sum += __shfl_xor(sum, mask + 1);",
        "33, 17, 9, 5, 3 and 2 are independent as bit vectors: all others are met, and once",
    ),
    Equivalent(
        "layernorm.cu",
        "tx < 16",
        "tx <= 16",
        "the loop reaches 16 last, and what it changes there is not read before it is set anew",
    ),
    Equivalent(
        "wave_sum.hip",
        "for tx in range(64):",
        "for tx in range(63):",
        "what lane 63 does after the first exchange is read by no other lane",
    ),
    Equivalent(
        "softmax_rows.cu",
        "if bx * 2 + ty < 5:",
        "if T.bool(True):",
        "a row that does not exist is computed in elements that only its own steps read",
    ),
    Equivalent(
        "dot_shuffle.cu",
        "if tx // 32 == 0:",
        "if T.bool(True):",
        "the other warps exchange among themselves, in elements that the first never reads",
    ),
    Equivalent(
        "scale_float4.cu",
        "y[bx * 32 + tx + 132] = x[bx * 32 + tx + 132] * s[bx * 32 + tx + 132]",
        "y[bx * 33 + tx + 132] = x[bx * 32 + tx + 132] * s[bx * 32 + tx + 132]",
        "the guard around it holds in the first block only, where bx is 0",
    ),
    Equivalent(
        "layernorm.cu",
        "tx < 1",
        "tx <= 1",
        "what thread 1 changes in the last step is set anew, or not read any more",
    ),
    Equivalent(
        "gemv_syncwarp.cu",
        "tx % 32 == 0",
        "tx % 32 != 0",
        "all lanes of a warp store the warp's sum to the same element",
    ),
    Equivalent(
        "softmax_wave.hip",
        "lanes_float32[T.Select(tx - tx % 2 * 2 < 63, tx + 1 - tx % 2 * 2, tx)]",
        "lanes_float32[T.Select(tx - tx % 2 * 3 < 63, tx + 1 - tx % 2 * 2, tx)]",
        "either condition holds for all 64 lanes",
    ),
)
