// CUDA's wmma, and rocWMMA under its own name. How a fragment's elements are spread over the lanes is
// not documented, except that fragments of one type share it. There are two ways here, so that a
// result that depends on it can be told: `XP_FRAGMENT_ORDER` 0 goes along the rows, 1 runs through
// the tile in another order for every type of fragment. Which fragments exist are rows of
// `dialects.matrix`.
#pragma once
#include "half.h"

#ifndef XP_FRAGMENT_ORDER
#define XP_FRAGMENT_ORDER 0
#endif

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

// What exists: products of these operands with these totals. `operand` is `num_elements` of a
// fragment of A or B where that is more than a lane's share.
template <class Operand, class Total>
struct XpProduct {
  static constexpr bool exists = false;
};
template <int M, int N, int K, class Operand>
struct XpShape {
  static constexpr bool operand = false;
  static constexpr int elements = 0;
};
template <int M, int N, int K, class Total>
struct XpTotal {
  static constexpr bool exists = false;
};

// Rows and columns of the tile that a fragment holds, whether it exists and how often it holds an
// element; `KIND` tells the types apart where the order depends on them.
template <class Use, int M, int N, int K, class T, class Layout>
struct XpTile;
template <int M, int N, int K, class T>
struct XpTile<accumulator, M, N, K, T, void> {
  static constexpr int rows = M, columns = N, kind = sizeof(T), elements = 0;
  static constexpr bool exists = XpTotal<M, N, K, T>::exists;
};
template <int M, int N, int K, class T, class Layout>
struct XpTile<matrix_a, M, N, K, T, Layout> {
  static constexpr int rows = M, columns = K, kind = 16 + __is_same(Layout, row_major);
  static constexpr int elements = XpShape<M, N, K, T>::elements;
  static constexpr bool exists = XpShape<M, N, K, T>::operand;
};
template <int M, int N, int K, class T, class Layout>
struct XpTile<matrix_b, M, N, K, T, Layout> {
  static constexpr int rows = K, columns = N, kind = 24 + __is_same(Layout, row_major);
  static constexpr int elements = XpShape<M, N, K, T>::elements;
  static constexpr bool exists = XpShape<M, N, K, T>::operand;
};

template <class Use, int M, int N, int K, class T, class Layout = void>
struct fragment {
  typedef XpTile<Use, M, N, K, T, Layout> Tile;
  static_assert(Tile::exists, "the device has no matrix fragment of this shape and type");
  typedef typename XpStored<T>::type element_type;
  typedef element_type storage_element_type;
  static constexpr int rows = Tile::rows, columns = Tile::columns, total = rows * columns;
  // Elements of which this lane is the first holder; after them come the same ones again.
  static constexpr int share = total / XP_WARP;
  static constexpr int num_elements = Tile::elements ? Tile::elements : share;
  static constexpr int num_storage_elements = num_elements;
  element_type x[num_elements];

  // The element (row * columns + column) in a place (lane * share + index), and the reverse. Sizes
  // are powers of two, and half of one less one is its own inverse.
  static constexpr int element(int place) {
    return XP_FRAGMENT_ORDER ? (place * (total / 2 - 1) + Tile::kind) & (total - 1) : place;
  }
  static constexpr int place(int element) {
    return XP_FRAGMENT_ORDER ? (element - Tile::kind) * (total / 2 - 1) & (total - 1) : element;
  }
  // Which element x[index] of this lane is.
  static int held(int index) { return element((int)xp_lane * share + index % share); }
  // Where the element is kept; of several copies it is the last in the second order.
  static constexpr int lane(int element) { return place(element) / share; }
  static constexpr int index(int element) {
    return place(element) % share + (XP_FRAGMENT_ORDER ? num_elements - share : 0);
  }
};

template <class Fragment, class P>
XP_INLINE void xp_load(Fragment& f, const P* from, unsigned ldm, bool by_rows, int site) {
  xp_sync_lanes(XP_LANES, site);
  for (int i = 0; i < Fragment::num_elements; ++i) {
    const long row = Fragment::held(i) / Fragment::columns;
    const long column = Fragment::held(i) % Fragment::columns;
    f.x[i] = from[by_rows ? row * ldm + column : column * ldm + row];
  }
}
template <class Use, int M, int N, int K, class T, class Layout, class P>
XP_INLINE void load_matrix_sync(fragment<Use, M, N, K, T, Layout>& f, const P* from, unsigned ldm,
                                int site = __builtin_LINE()) {
  static_assert(!__is_same(Use, accumulator), "an accumulator is loaded with a layout");
  xp_load(f, from, ldm, __is_same(Layout, row_major), site);
}
template <int M, int N, int K, class T, class P>
XP_INLINE void load_matrix_sync(fragment<accumulator, M, N, K, T>& f, const P* from, unsigned ldm,
                                layout_t layout, int site = __builtin_LINE()) {
  xp_load(f, from, ldm, layout == mem_row_major, site);
}
template <int M, int N, int K, class T, class P>
XP_INLINE void store_matrix_sync(P* to, const fragment<accumulator, M, N, K, T>& f, unsigned ldm,
                                 layout_t layout, int site = __builtin_LINE()) {
  typedef fragment<accumulator, M, N, K, T> Fragment;
  for (int i = 0; i < Fragment::num_elements; ++i) {
    const long row = Fragment::held(i) / N, column = Fragment::held(i) % N;
    to[layout == mem_row_major ? row * ldm + column : column * ldm + row] = f.x[i];
  }
  xp_sync_lanes(XP_LANES, site);
}
template <class Use, int M, int N, int K, class T, class Layout, class V>
inline void fill_fragment(fragment<Use, M, N, K, T, Layout>& f, V value) {
  for (auto& element : f.x) element = value;
}
inline float __float_to_tf32(float value) {
  // Ten bits of the mantissa stay; halves go away from zero.
  if (value - value != 0) return value;
  return xp_bits<float>((xp_bits<unsigned>(value) + 0x1000) & 0xffffe000u);
}
// The operand as the multiplier sees it: of tf32 the lower bits are not looked at.
template <class T, class V>
inline V xp_seen(V value) {
  return value;
}
template <>
inline float xp_seen<precision::tf32, float>(float value) {
  return xp_bits<float>(xp_bits<unsigned>(value) & 0xffffe000u);
}

// What products are summed in, and how a sum becomes an element of D.
template <class T>
struct XpSum {
  typedef T type;
};
template <>
struct XpSum<half> {
  typedef float type;
};
template <>
struct XpSum<bfloat16> {
  typedef float type;
};
template <>
struct XpSum<int> {
  typedef long long type;
};
template <class D, class Sum>
inline D xp_total(Sum sum, bool saturate) {
  return D(sum);
}
template <>
inline int xp_total<int, long long>(long long sum, bool saturate) {
  if (saturate) return sum > 0x7fffffff ? 0x7fffffff : sum < -0x7fffffff - 1 ? -0x7fffffff - 1 : sum;
  return (int)sum;
}

// d = a * b + c. Lanes show each other where their parts of a and b are, and wait for each other
// before anyone goes on to change them.
template <int M, int N, int K, class D, class A, class LA, class B, class LB, class C>
inline void mma_sync(fragment<accumulator, M, N, K, D>& d, const fragment<matrix_a, M, N, K, A, LA>& a,
                     const fragment<matrix_b, M, N, K, B, LB>& b,
                     const fragment<accumulator, M, N, K, C>& c, bool saturate = false,
                     int site = __builtin_LINE()) {
  typedef fragment<matrix_a, M, N, K, A, LA> Left;
  typedef fragment<matrix_b, M, N, K, B, LB> Right;
  typedef fragment<accumulator, M, N, K, D> To;
  typedef fragment<accumulator, M, N, K, C> From;
  static_assert(__is_same(A, B) && XpProduct<A, D>::exists && XpProduct<A, C>::exists,
                "the device has no product of these types");
  typedef typename XpSum<D>::type Sum;
  struct Operands {
    const Left* a;
    const Right* b;
    const From* c;
  };
  const Operands own = {&a, &b, &c};
  const Operands *mine = &own, *lanes[XP_WARP];
  XpRecord* record = xp_collective(XP_MATRIX, XP_LANES, site, &mine, sizeof mine);
  if (record->arrived != XP_LANES) xp_fail(5008, site, "mma_sync takes a whole warp");
  for (int lane = 0; lane < XP_WARP; ++lane) {
    __builtin_memcpy(&lanes[lane], record->value[lane], sizeof mine);
  }
  xp_collective_done(record);
  // c and d may be of two types, whose elements lie in different places: each lane computes those
  // of d that it holds, and takes c from whoever has it.
  Sum sums[To::num_elements];
  for (int i = 0; i < To::num_elements; ++i) {
    const int e = To::held(i), row = e / N, column = e % N;
    Sum sum = (Sum)lanes[From::lane(e)]->c->x[From::index(e)];
    for (int k = 0; k < K; ++k) {
      const int ea = row * K + k, eb = k * N + column;
      sum += (Sum)xp_seen<A>(lanes[Left::lane(ea)]->a->x[Left::index(ea)]) *
             (Sum)xp_seen<B>(lanes[Right::lane(eb)]->b->x[Right::index(eb)]);
    }
    sums[i] = sum;
  }
  xp_sync_lanes(XP_LANES, site);
  for (int i = 0; i < To::num_elements; ++i) d.x[i] = xp_total<D>(sums[i], saturate);
}

}  // namespace wmma
}  // namespace nvcuda

#if XP_HIP
namespace rocwmma {
using namespace nvcuda::wmma;
typedef half float16_t;
typedef half hfloat16_t;
typedef bfloat16 bfloat16_t;
typedef float float32_t;
typedef double float64_t;
}  // namespace rocwmma
#endif
