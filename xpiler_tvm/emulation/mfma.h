// AMD's matrix instructions: 64 lanes, each with some of A, B and D in its registers. The
// instructions and their lane maps are rows of `dialects.matrix`; the maps are stated again here.
#pragma once
#include "half.h"

typedef half XpHalf4 __attribute__((vector_size(8)));
typedef short XpShort2 __attribute__((vector_size(4)));
typedef short XpShort4 __attribute__((vector_size(8)));
typedef float XpFloat2 __attribute__((vector_size(8)));

// A float of which the instruction sees ten bits of mantissa, rounded to nearest even.
struct XpXf32 {
  float value;
  operator float() const {
    const unsigned word = xp_bits<unsigned>(value);
    if (value - value != 0) return value;
    return xp_bits<float>((word + 0xfff + (word >> 13 & 1)) & 0xffffe000u);
  }
};

// D's registers, as a number where there is one alone.
template <class T, int N>
struct XpRegisters {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
template <class T>
struct XpRegisters<T, 1> {
  typedef T type;
};

template <int M, int N, int K, int BLOCKS, int GROUP, class E, class Sum, class Operand>
inline typename XpRegisters<Sum, M * N * BLOCKS / 64>::type xp_mfma(
    const char* name, Operand a, Operand b,
    typename XpRegisters<Sum, M * N * BLOCKS / 64>::type c, int cbsz, int abid, int blgp, int site) {
  constexpr int depth = M * K * BLOCKS / 64, registers = M * N * BLOCKS / 64;
  constexpr int lanes_of_block = M * N / GROUP;
  constexpr int blocks_across = lanes_of_block < 64 ? 64 / lanes_of_block : 1;
  constexpr int groups_across = 64 / blocks_across / N, groups_down = M / (GROUP * groups_across);
  static_assert(sizeof(Operand) == depth * sizeof(E), "a row of dialects.matrix");
  if (blgp) xp_fail(5011, site, "%s: blgp %d is not modelled", name, blgp);
  if (cbsz < 0 || 1 << cbsz > BLOCKS || abid < 0 || abid >= 1 << cbsz) {
    xp_fail(5011, site, "%s: cbsz %d and abid %d do not fit %d blocks", name, cbsz, abid, BLOCKS);
  }
  struct {
    Operand a, b;
  } mine = {a, b};
  XpRecord* record = xp_collective(XP_MATRIX, XP_LANES, site, &mine, sizeof mine);
  if (record->arrived != XP_LANES) xp_fail(5008, site, "%s takes a whole wave", name);
  Sum result[registers];
  __builtin_memcpy(result, &c, sizeof result);
  const int l = xp_lane, column = l % N;
  const int across = l / N % groups_across, block_across = l / N / groups_across;
  for (int r = 0; r < registers; ++r) {
    const int part = r / GROUP;
    const int row = GROUP * (part % groups_down * groups_across + across) + r % GROUP;
    const int block = part / groups_down * blocks_across + block_across;
    const int a_block = cbsz ? (block >> cbsz << cbsz) + abid : block;
    for (int k = 0; k < K; k += depth) {
      E left[depth], right[depth];
      const int a_lane = row + M * (a_block + BLOCKS * (k / depth));
      const int b_lane = column + N * (block + BLOCKS * (k / depth));
      __builtin_memcpy(left, record->value[a_lane], sizeof left);
      __builtin_memcpy(right, record->value[b_lane] + sizeof left, sizeof right);
      for (int i = 0; i < depth; ++i) result[r] += (Sum)left[i] * (Sum)right[i];
    }
  }
  xp_collective_done(record);
  __builtin_memcpy(&c, result, sizeof result);
  return c;
}
