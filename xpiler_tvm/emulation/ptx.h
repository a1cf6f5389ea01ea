// Instructions of PTX that `dialects.ptx_text` finds in inline assembly, and the functions of
// cuda_pipeline.h. The products are rows of `dialects.ptx`, whose lane maps are stated again here.
#pragma once
#include "half.h"

// A register of 32 bits, whatever it is declared as.
struct XpWord {
  unsigned bits;
  XpWord() = default;
  template <class T>
  XpWord(const T& value) {
    static_assert(sizeof(T) == 4, "a register has 32 bits");
    __builtin_memcpy(&bits, &value, 4);
  }
};
template <class T>
inline void xp_put(T& to, unsigned bits) {
  static_assert(sizeof(T) == 4, "a register has 32 bits");
  __builtin_memcpy(&to, &bits, 4);
}

// --- addresses: of shared memory they are numbers, or pointers where a kernel has one.
inline unsigned long __cvta_generic_to_shared(const void* address) {
  return xp_shared_number(address);
}
inline unsigned long __cvta_generic_to_global(const void* address) {
  return (unsigned long)address;
}
inline unsigned char* xp_in_shared(const void* address, int) { return (unsigned char*)address; }
inline unsigned char* xp_in_shared(unsigned long number, int site) {
  return (unsigned char*)xp_shared_address(number, site);
}
inline const unsigned char* xp_in_global(const void* address) {
  return (const unsigned char*)address;
}
inline const unsigned char* xp_in_global(unsigned long address) {
  return (const unsigned char*)address;
}
inline void xp_aligned(const void* address, unsigned bytes, const char* what, int site) {
  if ((unsigned long)address % bytes == 0) return;
  xp_finding("misaligned access", site, address, (int)bytes,
             "%s takes addresses at multiples of %u bytes", what, bytes);
}

// --- ldmatrix: lane 8 * i + r says where row r of matrix i lies. Lane l then has of each matrix the
// elements 2 * (l % 4) and the next of row l / 4, or of column l / 4 where it is transposed.
template <int COUNT, bool TRANSPOSED, class Address>
inline void xp_ldmatrix(unsigned* to, Address from, int site) {
  static_assert(sizeof(Address) && __CUDA_ARCH__ >= 750, "the device has no ldmatrix");
  const unsigned char* mine = nullptr;
  if (xp_lane < COUNT * 8) {
    mine = xp_in_shared(from, site);
    xp_aligned(mine, 16, "ldmatrix", site);
  }
  XpRecord* record = xp_collective(XP_MATRIX, XP_LANES, site, &mine, sizeof mine);
  if (record->arrived != XP_LANES) xp_fail(5008, site, "ldmatrix takes a whole warp");
  const unsigned char* rows[COUNT * 8];
  for (int i = 0; i < COUNT * 8; ++i) __builtin_memcpy(&rows[i], record->value[i], sizeof mine);
  xp_collective_done(record);
  const int line = xp_lane / 4, place = xp_lane % 4 * 2;
  for (int i = 0; i < COUNT; ++i) {
    const unsigned char* const* row = rows + 8 * i;
    unsigned short low, high;
    __builtin_memcpy(&low, TRANSPOSED ? row[place] + 2 * line : row[line] + 2 * place, 2);
    __builtin_memcpy(&high, TRANSPOSED ? row[place + 1] + 2 * line : row[line] + 2 * place + 2, 2);
    to[i] = low | (unsigned)high << 16;
  }
  xp_sync_lanes(XP_LANES, site);
}
#define XP_LDMATRIX(name, transposed)                                                           \
  template <class R, class P>                                                                   \
  inline void __ptx_ldmatrix_x1##name(R& r, P from, int site = __builtin_LINE()) {             \
    unsigned to[1];                                                                             \
    xp_ldmatrix<1, transposed>(to, from, site);                                                 \
    xp_put(r, to[0]);                                                                           \
  }                                                                                             \
  template <class R, class P>                                                                   \
  inline void __ptx_ldmatrix_x2##name(R& r, R& s, P from, int site = __builtin_LINE()) {       \
    unsigned to[2];                                                                             \
    xp_ldmatrix<2, transposed>(to, from, site);                                                 \
    xp_put(r, to[0]), xp_put(s, to[1]);                                                         \
  }                                                                                             \
  template <class R, class P>                                                                   \
  inline void __ptx_ldmatrix_x4##name(R& r, R& s, R& t, R& u, P from,                          \
                                       int site = __builtin_LINE()) {                           \
    unsigned to[4];                                                                             \
    xp_ldmatrix<4, transposed>(to, from, site);                                                 \
    xp_put(r, to[0]), xp_put(s, to[1]), xp_put(t, to[2]), xp_put(u, to[3]);                     \
  }
XP_LDMATRIX(, false)
XP_LDMATRIX(_trans, true)
#undef XP_LDMATRIX

// --- mma: operands in registers, of which each holds as many elements as fit.
struct XpTf32 {  // of which the multiplier sees ten bits of mantissa
  float value;
  operator float() const { return xp_bits<float>(xp_bits<unsigned>(value) & 0xffffe000u); }
};
// What numbers of a type are computed as, where a result is kept in a `D`.
template <class E>
struct XpSelf {
  typedef E type;
};
template <class D>
struct XpElements {
  template <class E>
  using of = typename XpSelf<E>::type;
};
template <class E>
inline E xp_element(const XpWord* registers, int number) {
  E element;
  __builtin_memcpy(&element, (const char*)registers + number * sizeof(E), sizeof(E));
  return element;
}
template <int COUNT>
inline void xp_all_lanes(XpWord (*to)[COUNT], const XpWord* mine, const char* name, int site) {
  XpRecord* record = xp_collective(XP_MATRIX, XP_LANES, site, mine, COUNT * sizeof *mine);
  if (record->arrived != XP_LANES) xp_fail(5008, site, "%s takes a whole warp", name);
  for (int lane = 0; lane < 32; ++lane) __builtin_memcpy(to[lane], record->value[lane], sizeof *to);
  xp_collective_done(record);
}
template <int K, class A, class B, class Total, class Sum>
inline void xp_mma(const char* name, XpWord* d, const XpWord* a, const XpWord* b, const XpWord* c,
                   int site) {
  constexpr int packed = 4 / sizeof(A), half_of_k = 4 * packed;
  constexpr int of_a = 16 * K / 32 / packed, of_b = of_a / 2, of_d = 4 / (4 / sizeof(Total));
  XpWord all_a[32][of_a], all_b[32][of_b];
  xp_all_lanes<of_a>(all_a, a, name, site);
  xp_all_lanes<of_b>(all_b, b, name, site);
  Total result[4];
  for (int e = 0; e < 4; ++e) {
    const int row = xp_lane / 4 + e / 2 * 8, column = xp_lane % 4 * 2 + e % 2;
    Sum sum = (Sum)xp_element<Total>(c, e);
    for (int k = 0; k < K; ++k) {
      const int quad = k % half_of_k / packed, place = k % packed, upper = k / half_of_k;
      const A left = xp_element<A>(all_a[row % 8 * 4 + quad], (row / 8 + upper * 2) * packed + place);
      const B right = xp_element<B>(all_b[column * 4 + quad], upper * packed + place);
      sum += (Sum)left * (Sum)right;
    }
    result[e] = (Total)sum;
  }
  __builtin_memcpy(d, result, of_d * sizeof *d);
}

// --- cp.async: what is copied arrives when the thread waits for it, not before.
// `size` bytes are written, of which the last ones are zero where only `given` are read.
template <class To, class From>
inline void xp_copy_async(To shared, From global, unsigned size, unsigned given, int site) {
  unsigned char* to = xp_in_shared(shared, site);
  const unsigned char* from = xp_in_global(global);
  if (size != 4 && size != 8 && size != 16) xp_fail(5002, site, "cp.async of %u bytes", size);
  if (given > size) xp_fail(5002, site, "cp.async of %u bytes reads %u", size, given);
  xp_aligned(to, size, "cp.async", site);
#ifdef XP_CHECKED
  if (given) xp_aligned(from, size, "cp.async", site);
#endif
  xp_copy_start(to, size, from, given);
}
template <class To, class From>
inline void __ptx_cp_async(To shared, From global, unsigned size, unsigned given,
                           int site = __builtin_LINE()) {
  static_assert(sizeof(To) && __CUDA_ARCH__ >= 800, "the device has no cp.async");
  xp_copy_async(shared, global, size, given, site);
}
inline void __ptx_cp_async_commit() { xp_copies_commit(); }
inline void __ptx_cp_async_wait(unsigned left) { xp_copies_wait(left); }
inline void __ptx_cp_async_wait_all() {
  xp_copies_commit();
  xp_copies_wait(0);
}

// cuda_pipeline.h: the same as functions, which older devices have, too.
inline void __pipeline_memcpy_async(void* shared, const void* global, unsigned long size,
                                    unsigned long zeros = 0, int site = __builtin_LINE()) {
  if (zeros > size) xp_fail(5002, site, "%lu zeros in a copy of %lu bytes", zeros, size);
  xp_copy_async(shared, global, size, size - zeros, site);
}
inline void __pipeline_commit() { __ptx_cp_async_commit(); }
inline void __pipeline_wait_prior(unsigned left) { __ptx_cp_async_wait(left); }
