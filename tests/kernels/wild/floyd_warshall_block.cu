// Shortest paths between all pairs of a small graph, one graph a block, the matrix in shared memory.
// Missing edges are INF, which must survive an addition.
#include <cuda_runtime.h>

#define INF (1 << 28)
#define MAX_NODES 32

__global__ void floyd_warshall(int *dist, int nodes)
{
    __shared__ int d[MAX_NODES][MAX_NODES + 1];
    int *graph = dist + blockIdx.x * nodes * nodes;
    const int i = threadIdx.y, j = threadIdx.x;
    const bool on = i < nodes && j < nodes;

    if (on) {
        const int w = graph[i * nodes + j];
        d[i][j] = i == j ? 0 : (w <= 0 ? INF : w);
    }
    __syncthreads();

    for (int k = 0; k < nodes; ++k) {
        int through = INF;
        if (on) through = d[i][k] + d[k][j];
        __syncthreads();
        if (on && through < d[i][j]) d[i][j] = through;
        __syncthreads();
    }

    if (on) graph[i * nodes + j] = d[i][j] >= INF ? -1 : d[i][j];
}
