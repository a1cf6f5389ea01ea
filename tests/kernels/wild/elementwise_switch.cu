// One kernel for all binary operations of a small tensor language; the operation is a run-time code.
#include <cuda_runtime.h>

enum BinaryOp { OP_ADD = 0, OP_SUB, OP_MUL, OP_DIV, OP_MAX, OP_POW2DIFF, OP_COPYSIGN };

__device__ float apply(int op, float a, float b)
{
    switch (op) {
        case OP_ADD: return a + b;
        case OP_SUB: return a - b;
        case OP_MUL: return a * b;
        case OP_DIV: return a / b;
        case OP_MAX: return a > b ? a : b;
        case OP_POW2DIFF: {
            const float d = a - b;
            return d * d;
        }
        default:
            return copysignf(a, b);
    }
}

__global__ void binary_ops(const float *a, const float *b, const int *ops, float *out, int rows, int cols)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= rows * cols)
        return;

    float bias;
    switch (ops[i / cols] & 3) {
        case 0:
            bias = 1.0f;
            break;
        case 1:
        case 2:
            bias = 0.5f;
            break;
        default:
            bias = 0.0f;
    }
    out[i] = apply(ops[i / cols], a[i], b[i]) + bias;
}
