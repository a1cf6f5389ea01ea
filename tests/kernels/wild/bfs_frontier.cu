// One level of a breadth-first search over CSR: nodes of the frontier give their distance plus one
// to neighbours that have none. atomicCAS makes each node join the next frontier once.
#include <cuda_runtime.h>

#define UNSEEN (-1)

__global__ void bfs_level(const int *__restrict__ offsets, const int *__restrict__ targets,
                          const unsigned char *__restrict__ frontier, unsigned char *next,
                          int *distance, int *found, int nodes, int level)
{
    const int v = blockIdx.x * blockDim.x + threadIdx.x;
    if (v >= nodes || !frontier[v]) return;

    const int end = offsets[v + 1];
    for (int e = offsets[v]; e < end; ++e) {
        const int u = targets[e];
        if (atomicCAS(&distance[u], UNSEEN, level + 1) == UNSEEN) {
            next[u] = 1;
            atomicAdd(found, 1);
        }
    }
}
