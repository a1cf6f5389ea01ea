// AMD's matrix instructions: 64 lanes, each with some of A, B and D in its registers. For an
// M x N x K product, lane l holds row (or column) l % M of A (B) and K * M / 64 consecutive k from
// there on; register r of D is row 4 * (64 / M) * (r / 4) + 4 * (l / M) + r % 4, column l % M.
// (AMD matrix instruction calculator.)
#pragma once

template <int M, int K, class E, class Sum, class Operand, class Result>
inline Result xp_mfma(Operand a, Operand b, Result c, int site) {
  constexpr int groups = 64 / M, depth = K / groups, registers = M * M / 64;
  static_assert(sizeof(Operand) == depth * sizeof(E), "the operands' registers do not fit");
  static_assert(sizeof(Result) == registers * sizeof(Sum), "the result's registers do not fit");
  struct {
    Operand a, b;
  } mine = {a, b};
  XpRecord* record = xp_collective(XP_MATRIX, XP_LANES, site, &mine, sizeof mine);
  if (record->arrived != XP_LANES) xp_fail(5008, site, "mfma takes a whole wave");
  Sum result[registers];
  __builtin_memcpy(result, &c, sizeof result);
  const int l = xp_lane, column = l % M;
  for (int r = 0; r < registers; ++r) {
    const int row = 4 * groups * (r / 4) + 4 * (l / M) + r % 4;
    for (int group = 0; group < groups; ++group) {
      E left[depth], right[depth];
      __builtin_memcpy(left, record->value[group * M + row], sizeof left);
      __builtin_memcpy(right, record->value[group * M + column] + sizeof left, sizeof right);
      for (int k = 0; k < depth; ++k) result[r] += (Sum)left[k] * (Sum)right[k];
    }
  }
  xp_collective_done(record);
  __builtin_memcpy(&c, result, sizeof result);
  return c;
}

#define XP_MFMA(name, M, K, E, Sum)                                                        \
  template <class Operand, class Result>                                                   \
  inline Result __builtin_amdgcn_mfma_##name(Operand a, Operand b, Result c, int, int, int, \
                                             int site = __builtin_LINE()) {                \
    return xp_mfma<M, K, E, Sum>(a, b, c, site);                                           \
  }
XP_MFMA(f32_16x16x4f32, 16, 4, float, float)
XP_MFMA(f32_32x32x2f32, 32, 2, float, float)
XP_MFMA(f32_16x16x16f16, 16, 16, half, float)
XP_MFMA(f32_32x32x8f16, 32, 8, half, float)
XP_MFMA(f32_16x16x16bf16_1k, 16, 16, bfloat16, float)
XP_MFMA(f32_32x32x8bf16_1k, 32, 8, bfloat16, float)
XP_MFMA(i32_16x16x16i8, 16, 16, signed char, int)
XP_MFMA(i32_32x32x8i8, 32, 8, signed char, int)
#undef XP_MFMA
