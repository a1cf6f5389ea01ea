// HIP's vectors have arithmetic, CUDA's have none. A number stands for a vector of it. The macros at
// the end are instantiated for the vectors that a text mentions.
#pragma once
#include "common.h"

#define XP_EACH1(T, f) {(T)(f(x))}
#define XP_EACH2(T, f) {(T)(f(x)), (T)(f(y))}
#define XP_EACH3(T, f) {(T)(f(x)), (T)(f(y)), (T)(f(z))}
#define XP_EACH4(T, f) {(T)(f(x)), (T)(f(y)), (T)(f(z)), (T)(f(w))}
#define XP_ALL1 a.x == b.x
#define XP_ALL2 XP_ALL1 && a.y == b.y
#define XP_ALL3 XP_ALL2 && a.z == b.z
#define XP_ALL4 XP_ALL3 && a.w == b.w
#define XP_BOTH_ADD(m) a.m + b.m
#define XP_BOTH_SUB(m) a.m - b.m
#define XP_BOTH_MUL(m) a.m * b.m
#define XP_BOTH_DIV(m) a.m / b.m
#define XP_BOTH_MOD(m) a.m % b.m
#define XP_BOTH_AND(m) a.m & b.m
#define XP_BOTH_OR(m) a.m | b.m
#define XP_BOTH_XOR(m) a.m ^ b.m
#define XP_BOTH_LEFT(m) a.m << b.m
#define XP_BOTH_RIGHT(m) a.m >> b.m
#define XP_NUMBER(m) value
#define XP_MINUS(m) -a.m
#define XP_FLIP(m) ~a.m

#define XP_VECTOR_OPERATOR(T, V, n, op, both)                                  \
  inline V operator op(V a, V b) { return XP_EACH##n(T, both); }               \
  inline V operator op(V a, T value) {                                         \
    const V b = XP_EACH##n(T, XP_NUMBER);                                      \
    return a op b;                                                             \
  }                                                                            \
  inline V operator op(T value, V b) {                                         \
    const V a = XP_EACH##n(T, XP_NUMBER);                                      \
    return a op b;                                                             \
  }                                                                            \
  inline V& operator op##=(V& a, V b) { return a = a op b; }                   \
  inline V& operator op##=(V& a, T b) { return a = a op b; }
#define XP_VECTOR_NUMBERS(T, V, n)                                             \
  XP_VECTOR_OPERATOR(T, V, n, +, XP_BOTH_ADD)                                  \
  XP_VECTOR_OPERATOR(T, V, n, -, XP_BOTH_SUB)                                  \
  XP_VECTOR_OPERATOR(T, V, n, *, XP_BOTH_MUL)                                  \
  XP_VECTOR_OPERATOR(T, V, n, /, XP_BOTH_DIV)                                  \
  inline V operator-(V a) { return XP_EACH##n(T, XP_MINUS); }                  \
  inline bool operator==(V a, V b) { return XP_ALL##n; }                       \
  inline bool operator!=(V a, V b) { return !(a == b); }
#define XP_VECTOR_BITS(T, V, n)                                                \
  XP_VECTOR_NUMBERS(T, V, n)                                                   \
  XP_VECTOR_OPERATOR(T, V, n, %, XP_BOTH_MOD)                                  \
  XP_VECTOR_OPERATOR(T, V, n, &, XP_BOTH_AND)                                  \
  XP_VECTOR_OPERATOR(T, V, n, |, XP_BOTH_OR)                                   \
  XP_VECTOR_OPERATOR(T, V, n, ^, XP_BOTH_XOR)                                  \
  XP_VECTOR_OPERATOR(T, V, n, <<, XP_BOTH_LEFT)                                \
  XP_VECTOR_OPERATOR(T, V, n, >>, XP_BOTH_RIGHT)                               \
  inline V operator~(V a) { return XP_EACH##n(T, XP_FLIP); }
