// CUDA's warp matrix functions, and rocWMMA under its own name. What a fragment is, is worked out from
// its arguments; how many elements of it a lane holds comes from the dialect's table.
#pragma once
namespace nvcuda { namespace wmma {
struct matrix_a {}; struct matrix_b {}; struct accumulator {};
struct row_major {}; struct col_major {};
enum layout_t { mem_row_major, mem_col_major };
namespace precision { struct tf32 {}; }
#ifdef __HIP__
constexpr int xp_lanes = 64;
#else
constexpr int xp_lanes = 32;
#endif
template <class T> struct XpStored { typedef T type; static constexpr int operand_elements = 0; };
template <> struct XpStored<precision::tf32> { typedef float type; static constexpr int operand_elements = 0; };
#ifndef __HIP__
template <> struct XpStored<half> { typedef half type; static constexpr int operand_elements = 16; };
#endif
template <class Use, int M, int N, int K> struct XpTile;
template <int M, int N, int K> struct XpTile<accumulator, M, N, K> { static constexpr int size = M * N; static constexpr bool operand = false; };
template <int M, int N, int K> struct XpTile<matrix_a, M, N, K> { static constexpr int size = M * K; static constexpr bool operand = true; };
template <int M, int N, int K> struct XpTile<matrix_b, M, N, K> { static constexpr int size = K * N; static constexpr bool operand = true; };
template <class Use, int M, int N, int K, class T, class Layout = void> struct fragment {
  typedef typename XpStored<T>::type element_type;
  typedef element_type storage_element_type;
  typedef XpTile<Use, M, N, K> Tile;
  static constexpr int num_elements = Tile::operand && XpStored<T>::operand_elements ? XpStored<T>::operand_elements : Tile::size / xp_lanes;
  static constexpr int num_storage_elements = num_elements;
  element_type x[num_elements];
};
template <class F, class P> __device__ void load_matrix_sync(F &, const P *, unsigned);
template <class F, class P> __device__ void load_matrix_sync(F &, const P *, unsigned, layout_t);
template <class F, class P> __device__ void store_matrix_sync(P *, const F &, unsigned, layout_t);
template <class F, class V> __device__ void fill_fragment(F &, V);
template <class D, class A, class B, class C> __device__ void mma_sync(D &, const A &, const B &, const C &, bool saturate = false);
__device__ float __float_to_tf32(float);
} }
#ifdef __HIP__
namespace rocwmma {
using namespace nvcuda::wmma;
typedef half float16_t; typedef half hfloat16_t; typedef bfloat16 bfloat16_t; typedef float float32_t; typedef double float64_t;
}
#endif
