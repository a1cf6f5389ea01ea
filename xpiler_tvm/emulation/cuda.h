// CUDA C++: warps of 32 lanes, masks of 32 bits.
#pragma once
#define __CUDACC__ 1
#define __CUDACC_VER_MAJOR__ 12
#define __CUDACC_VER_MINOR__ 8
typedef unsigned xp_mask;
#include "simt.h"
