// CUDA's wmma, and rocWMMA under its own name. How a fragment's elements are spread over the lanes
// is nobody's business but ours: element e of the row-major tile is x[e % count] of lane e / count.
#pragma once

namespace nvcuda {
namespace wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };
namespace precision {
struct tf32 {};
}

template <class T>
struct XpStored {
  typedef T type;
};
template <>
struct XpStored<precision::tf32> {
  typedef float type;
};

// Rows and columns of the tile that a fragment holds.
template <class Use, int M, int N, int K>
struct XpTile {
  static constexpr int rows = M, columns = N;
};
template <int M, int N, int K>
struct XpTile<matrix_a, M, N, K> {
  static constexpr int rows = M, columns = K;
};
template <int M, int N, int K>
struct XpTile<matrix_b, M, N, K> {
  static constexpr int rows = K, columns = N;
};

template <class Use, int M, int N, int K, class T, class Layout = void>
struct fragment {
  typedef typename XpStored<T>::type element_type;
  typedef element_type storage_element_type;
  static constexpr int rows = XpTile<Use, M, N, K>::rows, columns = XpTile<Use, M, N, K>::columns;
  static constexpr int num_elements = (rows * columns + XP_WARP - 1) / XP_WARP;
  static constexpr int num_storage_elements = num_elements;
  element_type x[num_elements];
};

template <class Layout>
struct XpRowMajor {
  static constexpr bool value = true;
};
template <>
struct XpRowMajor<col_major> {
  static constexpr bool value = false;
};

// Calls `visit(element of x, row, column)` for what this lane holds.
template <class Fragment, class Visit>
inline void xp_each(Fragment&, Visit visit) {
  for (int i = 0; i < Fragment::num_elements; ++i) {
    const int e = (int)xp_lane * Fragment::num_elements + i;
    if (e < Fragment::rows * Fragment::columns) visit(i, e / Fragment::columns, e % Fragment::columns);
  }
}

template <class Fragment, class P>
inline void xp_load(Fragment& f, const P* from, unsigned ldm, bool by_rows, int site) {
  xp_sync_lanes(XP_LANES, site);
  xp_each(f, [&](int i, int row, int column) {
    f.x[i] = from[by_rows ? (long)row * ldm + column : (long)column * ldm + row];
  });
}
template <class Use, int M, int N, int K, class T, class Layout, class P>
inline void load_matrix_sync(fragment<Use, M, N, K, T, Layout>& f, const P* from, unsigned ldm,
                             int site = __builtin_LINE()) {
  xp_load(f, from, ldm, XpRowMajor<Layout>::value, site);
}
template <int M, int N, int K, class T, class P>
inline void load_matrix_sync(fragment<accumulator, M, N, K, T>& f, const P* from, unsigned ldm,
                             layout_t layout, int site = __builtin_LINE()) {
  xp_load(f, from, ldm, layout == mem_row_major, site);
}
template <int M, int N, int K, class T, class P>
inline void store_matrix_sync(P* to, const fragment<accumulator, M, N, K, T>& f, unsigned ldm,
                              layout_t layout, int site = __builtin_LINE()) {
  xp_each(f, [&](int i, int row, int column) {
    to[layout == mem_row_major ? (long)row * ldm + column : (long)column * ldm + row] = f.x[i];
  });
  xp_sync_lanes(XP_LANES, site);
}
template <class Use, int M, int N, int K, class T, class Layout, class V>
inline void fill_fragment(fragment<Use, M, N, K, T, Layout>& f, V value) {
  for (auto& element : f.x) element = value;
}
inline float __float_to_tf32(float value) {
  // Ten bits of the mantissa stay; halves go away from zero.
  return xp_bits<float>((xp_bits<unsigned>(value) + 0x1000) & 0xffffe000u);
}

template <class T>
struct XpSum {
  typedef T type;
};
template <>
struct XpSum<half> {
  typedef float type;
};

// d = a * b + c. Lanes show each other where their parts of a and b are, and wait for each other
// before anyone goes on to change them.
template <int M, int N, int K, class D, class A, class LA, class B, class LB, class C>
inline void mma_sync(fragment<accumulator, M, N, K, D>& d, const fragment<matrix_a, M, N, K, A, LA>& a,
                     const fragment<matrix_b, M, N, K, B, LB>& b,
                     const fragment<accumulator, M, N, K, C>& c, bool saturate = false,
                     int site = __builtin_LINE()) {
  typedef fragment<matrix_a, M, N, K, A, LA> Left;
  typedef fragment<matrix_b, M, N, K, B, LB> Right;
  typedef typename XpSum<D>::type Sum;
  struct {
    const Left* a;
    const Right* b;
  } mine = {&a, &b}, lanes[XP_WARP];
  XpRecord* record = xp_collective(XP_MATRIX, XP_LANES, site, &mine, sizeof mine);
  if (record->arrived != XP_LANES) xp_fail(5008, site, "mma_sync takes a whole warp");
  for (int lane = 0; lane < XP_WARP; ++lane) {
    __builtin_memcpy(&lanes[lane], record->value[lane], sizeof mine);
  }
  xp_collective_done(record);
  D result[fragment<accumulator, M, N, K, D>::num_elements];
  xp_each(d, [&](int i, int row, int column) {
    Sum sum = (Sum)c.x[i];
    for (int k = 0; k < K; ++k) {
      const int ea = row * K + k, eb = k * N + column;
      sum += (Sum)lanes[ea / Left::num_elements].a->x[ea % Left::num_elements] *
             (Sum)lanes[eb / Right::num_elements].b->x[eb % Right::num_elements];
    }
    result[i] = D(sum);
  });
  xp_sync_lanes(XP_LANES, site);
  xp_each(d, [&](int i, int, int) { d.x[i] = result[i]; });
}

}  // namespace wmma
}  // namespace nvcuda
namespace rocwmma = nvcuda::wmma;
inline float __float_to_tf32(float value) { return nvcuda::wmma::__float_to_tf32(value); }
