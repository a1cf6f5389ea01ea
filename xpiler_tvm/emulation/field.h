// Numbers of a finite field in place of floating-point ones: two texts that compute the same
// polynomial (or quotient of two) then give the very same values, in whatever order they add up.
// Included inside the kernel's namespace, after the dialect's header, with `XP_PRIME` defined.
// The types' names are macros from here on, so that text sees nothing else; what a field does not
// have ends the run, or does not compile.
#pragma once

// A place in the kernel's text; elsewhere (in a header) its line is 0.
struct XpFieldPlace {
  int line;
  constexpr XpFieldPlace(int line = __builtin_LINE(), const char* file = __builtin_FILE())
      : line(__builtin_strcmp(file, XP_MARKER) ? 0 : line) {}
};

#ifdef __BANG__
// The intrinsic that runs, for what its generated code cannot do.
static const char* xp_intrinsic;
static int xp_intrinsic_line;
#define xp_operand(intrinsic, line, ...) \
  (xp_intrinsic = intrinsic, xp_intrinsic_line = line, xp_operand(intrinsic, line, __VA_ARGS__))
#endif

[[noreturn]] inline void xp_not_polynomial(const char* operation, XpFieldPlace at) {
#ifdef __BANG__
  if (!at.line && xp_intrinsic) operation = xp_intrinsic, at.line = xp_intrinsic_line;
#endif
  if (at.line > 0) xp_fail(5010, at.line, "not polynomial: %s in line %d", operation, at.line);
  xp_fail(5010, 0, "not polynomial: %s", operation);
}

typedef unsigned long long xp_residue;

constexpr xp_residue xp_power(xp_residue base, xp_residue exponent) {
  xp_residue result = 1;
  for (; exponent; exponent >>= 1) {
    if (exponent & 1) result = result * base % XP_PRIME;
    base = base * base % XP_PRIME;
  }
  return result;
}
constexpr xp_residue xp_reduced(long long number) {
  const long long rest = number % (long long)XP_PRIME;
  return rest < 0 ? rest + XP_PRIME : rest;
}
// A floating-point number is m / 2^e, and 2 has an inverse.
constexpr xp_residue xp_dyadic(double number, XpFieldPlace at) {
  if (!(number - number == 0)) xp_not_polynomial("an infinite or undefined constant", at);
  xp_residue factor = 1;
  for (; number >= 4.0e18 || number <= -4.0e18; number /= 2) factor = factor * 2 % XP_PRIME;
  xp_residue halves = 0;
  for (; number != (double)(long long)number; number *= 2) ++halves;
  const xp_residue half = (XP_PRIME + 1) / 2;
  return xp_reduced((long long)number) * factor % XP_PRIME * xp_power(half, halves) % XP_PRIME;
}

template <bool yes>
struct XpFieldIf {};
template <>
struct XpFieldIf<true> {
  typedef int type;
};
template <class T>
struct XpFieldNumber {
  static constexpr bool integer = false, real = false;
};
#define XP_FIELD_NUMBER(T, is_integer)                                          \
  template <>                                                             \
  struct XpFieldNumber<T> {                                                    \
    static constexpr bool integer = is_integer, real = !is_integer;       \
  };
XP_FIELD_NUMBER(bool, true)
XP_FIELD_NUMBER(char, true)
XP_FIELD_NUMBER(signed char, true)
XP_FIELD_NUMBER(unsigned char, true)
XP_FIELD_NUMBER(short, true)
XP_FIELD_NUMBER(unsigned short, true)
XP_FIELD_NUMBER(int, true)
XP_FIELD_NUMBER(unsigned, true)
XP_FIELD_NUMBER(long, true)
XP_FIELD_NUMBER(unsigned long, true)
XP_FIELD_NUMBER(long long, true)
XP_FIELD_NUMBER(unsigned long long, true)
XP_FIELD_NUMBER(_Float16, false)
XP_FIELD_NUMBER(float, false)
XP_FIELD_NUMBER(double, false)
#undef XP_FIELD_NUMBER
template <class T>
using XpFieldIfNumber = typename XpFieldIf<XpFieldNumber<T>::integer || XpFieldNumber<T>::real>::type;

// An element keeps the bytes of the type it stands for. `K`: 0 and 1 for the two sixteen-bit types,
// 2 for float, 3 for double; of two types the larger is that of the result.
template <int K>
struct XpFieldStored {
  typedef unsigned short type;
};
template <>
struct XpFieldStored<2> {
  typedef unsigned type;
};
template <>
struct XpFieldStored<3> {
  typedef unsigned long long type;
};

template <int K>
struct XpField {
  static_assert(K >= 2 || XP_PRIME < 65536, "an element of two bytes takes a small prime");
  typename XpFieldStored<K>::type value;

  XpField() = default;
  template <int J>
  constexpr XpField(XpField<J> other) : value(other.value) {}
  template <class T, XpFieldIfNumber<T> = 0>
  constexpr XpField(T number, XpFieldPlace at = XpFieldPlace())
      : value(XpFieldNumber<T>::integer ? residue(number) : xp_dyadic((double)number, at)) {}

  static constexpr xp_residue residue(unsigned long long number) { return number % XP_PRIME; }
  static constexpr xp_residue residue(unsigned long number) { return number % XP_PRIME; }
  template <class T>
  static constexpr xp_residue residue(T number) {
    return xp_reduced((long long)number);
  }
  static constexpr XpField of(xp_residue value) {
    XpField result{};
    result.value = value;
    return result;
  }
  constexpr XpField operator-() const { return of((XP_PRIME - value % XP_PRIME) % XP_PRIME); }
  constexpr XpField operator+() const { return *this; }
  template <class T>
  XpField& operator+=(T other) {
    return *this = *this + other;
  }
  template <class T>
  XpField& operator-=(T other) {
    return *this = *this - other;
  }
  template <class T>
  XpField& operator*=(T other) {
    return *this = *this * other;
  }
  template <class T>
  XpField& operator/=(T other) {
    return *this = *this / other;
  }
  XpField& operator++() { return *this += 1; }
  XpField& operator--() { return *this -= 1; }
  XpField operator++(int) {
    const XpField old = *this;
    *this += 1;
    return old;
  }
  XpField operator--(int) {
    const XpField old = *this;
    *this -= 1;
    return old;
  }
};

constexpr xp_residue xp_add(xp_residue a, xp_residue b) { return (a + b) % XP_PRIME; }
constexpr xp_residue xp_subtract(xp_residue a, xp_residue b) {
  return (a + XP_PRIME - b % XP_PRIME) % XP_PRIME;
}
constexpr xp_residue xp_multiply(xp_residue a, xp_residue b) {
  return a % XP_PRIME * (b % XP_PRIME) % XP_PRIME;
}
constexpr xp_residue xp_divide(xp_residue a, xp_residue b) {
  if (b % XP_PRIME == 0) xp_not_polynomial("a division by zero", XpFieldPlace(-1));
  return xp_multiply(a, xp_power(b, XP_PRIME - 2));
}

#define XP_FIELD_OPERATOR(op, function)                                           \
  template <int A, int B>                                                         \
  constexpr XpField<(A > B ? A : B)> operator op(XpField<A> a, XpField<B> b) {    \
    return XpField<(A > B ? A : B)>::of(function(a.value, b.value));              \
  }                                                                               \
  template <int A, class T, XpFieldIfNumber<T> = 0>                                    \
  constexpr XpField<A> operator op(XpField<A> a, T b) {                           \
    return a op XpField<A>(b, XpFieldPlace(0));                                        \
  }                                                                               \
  template <int A, class T, XpFieldIfNumber<T> = 0>                                    \
  constexpr XpField<A> operator op(T a, XpField<A> b) {                           \
    return XpField<A>(a, XpFieldPlace(0)) op b;                                        \
  }
XP_FIELD_OPERATOR(+, xp_add)
XP_FIELD_OPERATOR(-, xp_subtract)
XP_FIELD_OPERATOR(*, xp_multiply)
XP_FIELD_OPERATOR(/, xp_divide)
#undef XP_FIELD_OPERATOR

// --- what a field has no answer to. An operator learns the line of its use from the conversion of
// its right operand.
struct XpFieldOperand {
  XpFieldPlace at;
  template <int K>
  XpFieldOperand(XpField<K>, XpFieldPlace at = XpFieldPlace()) : at(at) {}
  template <class T, XpFieldIfNumber<T> = 0>
  XpFieldOperand(T, XpFieldPlace at = XpFieldPlace()) : at(at) {}
};
template <class A, class B>
struct XpFieldEither {
  static constexpr bool value = false;
};
template <int K, class B>
struct XpFieldEither<XpField<K>, B> {
  static constexpr bool value = true;
};
template <class A, int K>
struct XpFieldEither<A, XpField<K>> {
  static constexpr bool value = true;
};
template <int J, int K>
struct XpFieldEither<XpField<J>, XpField<K>> {
  static constexpr bool value = true;
};
#define XP_COMPARISON(op)                                                                \
  template <int K>                                                                       \
  inline bool operator op(XpField<K>, XpFieldOperand other) {                                \
    xp_not_polynomial("the comparison " #op, other.at);                                  \
  }                                                                                      \
  template <class T, XpFieldIfNumber<T> = 0>                                                  \
  inline bool operator op(T, XpFieldOperand other) {                                         \
    xp_not_polynomial("the comparison " #op, other.at);                                  \
  }
XP_COMPARISON(<)
XP_COMPARISON(>)
XP_COMPARISON(<=)
XP_COMPARISON(>=)
XP_COMPARISON(==)
XP_COMPARISON(!=)
#undef XP_COMPARISON

#define XP_NO_FUNCTION_1(name, result)                                                   \
  template <int K>                                                                       \
  inline result name(XpField<K>, XpFieldPlace at = XpFieldPlace()) {                               \
    xp_not_polynomial(#name, at);                                                        \
  }
#define XP_NO_FUNCTION_2(name, result)                                                   \
  template <class A, class B, typename XpFieldIf<XpFieldEither<A, B>::value>::type = 0>            \
  inline result name(A, B, XpFieldPlace at = XpFieldPlace()) {                                     \
    xp_not_polynomial(#name, at);                                                        \
  }
XP_NO_FUNCTION_1(abs, XpField<K>)
XP_NO_FUNCTION_1(isnan, bool)
XP_NO_FUNCTION_1(isinf, bool)
XP_NO_FUNCTION_1(isfinite, bool)
XP_NO_FUNCTION_1(signbit, bool)
XP_NO_FUNCTION_1(__float_as_int, int)
XP_NO_FUNCTION_1(__float_as_uint, unsigned)
XP_NO_FUNCTION_1(__saturatef, XpField<K>)
XP_NO_FUNCTION_2(max, XpField<2>)
XP_NO_FUNCTION_2(min, XpField<2>)
// The functions of `dialects/math.py` are generated behind this header. A power with a small whole
// exponent is a product.
inline int xp_exponent(double exponent, const char* name, XpFieldPlace at) {
  if (exponent < 0 || exponent > 64 || exponent != (int)exponent) xp_not_polynomial(name, at);
  return (int)exponent;
}
#define XP_POWER(name)                                                                   \
  template <int K, class T, XpFieldIfNumber<T> = 0>                                           \
  inline XpField<K> name(XpField<K> x, T exponent, XpFieldPlace at = XpFieldPlace()) {             \
    return XpField<K>::of(xp_power(x.value % XP_PRIME, xp_exponent(exponent, #name, at))); \
  }                                                                                      \
  template <class T, int K>                                                              \
  inline XpField<K> name(T, XpField<K>, XpFieldPlace at = XpFieldPlace()) {                        \
    xp_not_polynomial(#name, at);                                                        \
  }

// --- functions that are polynomials
template <class A>
struct XpIsField {
  static constexpr bool value = false;
};
template <int K>
struct XpIsField<XpField<K>> {
  static constexpr bool value = true;
};
#define XP_FUSED(name)                                                                        \
  template <class A, class B, class C,                                                        \
            typename XpFieldIf<(XpIsField<A>::value || XpIsField<B>::value ||                      \
                           XpIsField<C>::value)>::type = 0>                                   \
  inline auto name(A a, B b, C c) {                                                           \
    return a * b + c;                                                                         \
  }
#define XP_BINARY(name, op)                                                                   \
  template <class A, class B, typename XpFieldIf<XpFieldEither<A, B>::value>::type = 0>                 \
  inline auto name(A a, B b) {                                                                \
    return a op b;                                                                            \
  }
XP_FUSED(fma)
XP_FUSED(fmaf)
XP_FUSED(__fma_rn)
XP_FUSED(__fmaf_rn)
XP_FUSED(__hfma)
XP_BINARY(__fadd_rn, +)
XP_BINARY(__fsub_rn, -)
XP_BINARY(__fmul_rn, *)
XP_BINARY(__fdiv_rn, /)
XP_BINARY(__dadd_rn, +)
XP_BINARY(__dsub_rn, -)
XP_BINARY(__dmul_rn, *)
XP_BINARY(__ddiv_rn, /)
XP_BINARY(__fdividef, /)
XP_BINARY(fdividef, /)
XP_BINARY(__hadd, +)
XP_BINARY(__hsub, -)
XP_BINARY(__hmul, *)
XP_BINARY(__hdiv, /)
#undef XP_FUSED
#undef XP_BINARY
#define XP_CONVERSION(name, to)         \
  template <int K>                      \
  inline XpField<to> name(XpField<K> x) { \
    return x;                           \
  }
XP_CONVERSION(__half2float, 2)
XP_CONVERSION(__bfloat162float, 2)
XP_CONVERSION(__double2float_rn, 2)
#if XP_PRIME < 65536
XP_CONVERSION(__float2half, 0)
XP_CONVERSION(__float2half_rn, 0)
XP_CONVERSION(__double2half, 0)
XP_CONVERSION(__float2bfloat16, 1)
XP_CONVERSION(__float2bfloat16_rn, 1)
#endif
#undef XP_CONVERSION
template <int K>
inline XpField<K> __hneg(XpField<K> x) {
  return -x;
}
template <int K>
inline XpField<K> __frcp_rn(XpField<K> x) {
  return 1 / x;
}
template <int K>
inline XpField<K> hrcp(XpField<K> x) {
  return 1 / x;
}

// --- vectors: members of the field, sizes as before. HIP's have arithmetic.
#define XP_FIELD_VECTOR(T, name)                                            \
  struct name##1 { T x; };                                                  \
  struct name##2 { T x, y; };                                               \
  struct name##3 { T x, y, z; };                                            \
  struct name##4 { T x, y, z, w; };                                         \
  inline name##1 make_##name##1(T x) { return {x}; }                        \
  inline name##2 make_##name##2(T x, T y) { return {x, y}; }                \
  inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }        \
  inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
XP_FIELD_VECTOR(XpField<2>, XpFieldFloat)
XP_FIELD_VECTOR(XpField<3>, XpFieldDouble)
#undef XP_FIELD_VECTOR
#define XP_VECTOR_OPERATOR(V2, V3, V4, op)                                                      \
  inline V2 operator op(V2 a, V2 b) { return {a.x op b.x, a.y op b.y}; }                        \
  inline V3 operator op(V3 a, V3 b) { return {a.x op b.x, a.y op b.y, a.z op b.z}; }            \
  inline V4 operator op(V4 a, V4 b) {                                                           \
    return {a.x op b.x, a.y op b.y, a.z op b.z, a.w op b.w};                                    \
  }                                                                                             \
  inline V2& operator op##=(V2& a, V2 b) { return a = a op b; }                                 \
  inline V3& operator op##=(V3& a, V3 b) { return a = a op b; }                                 \
  inline V4& operator op##=(V4& a, V4 b) { return a = a op b; }
#if XP_HIP
XP_VECTOR_OPERATOR(XpFieldFloat2, XpFieldFloat3, XpFieldFloat4, +)
XP_VECTOR_OPERATOR(XpFieldFloat2, XpFieldFloat3, XpFieldFloat4, -)
XP_VECTOR_OPERATOR(XpFieldFloat2, XpFieldFloat3, XpFieldFloat4, *)
XP_VECTOR_OPERATOR(XpFieldFloat2, XpFieldFloat3, XpFieldFloat4, /)
#endif
#undef XP_VECTOR_OPERATOR

template <int K>
struct XpReal {
  typedef float type;
};
template <>
struct XpReal<0> {
  typedef half type;
};
template <>
struct XpReal<1> {
  typedef bfloat16 type;
};
template <>
struct XpReal<3> {
  typedef double type;
};

#if XP_PRIME < 65536
#define XP_FIELD_PAIR(T2, K)                                                              \
  struct T2 {                                                                             \
    XpField<K> x, y;                                                                      \
    T2() = default;                                                                       \
    T2(XpField<K> x, XpField<K> y) : x(x), y(y) {}                                        \
  };                                                                                      \
  inline T2 make_##T2(XpField<K> x, XpField<K> y) { return {x, y}; }                      \
  inline T2 operator+(T2 a, T2 b) { return {a.x + b.x, a.y + b.y}; }                      \
  inline T2 operator-(T2 a, T2 b) { return {a.x - b.x, a.y - b.y}; }                      \
  inline T2 operator*(T2 a, T2 b) { return {a.x * b.x, a.y * b.y}; }                      \
  inline T2 operator/(T2 a, T2 b) { return {a.x / b.x, a.y / b.y}; }                      \
  inline T2 __hadd2(T2 a, T2 b) { return a + b; }                                         \
  inline T2 __hsub2(T2 a, T2 b) { return a - b; }                                         \
  inline T2 __hmul2(T2 a, T2 b) { return a * b; }                                         \
  inline T2 __h2div(T2 a, T2 b) { return a / b; }                                         \
  inline T2 __hfma2(T2 a, T2 b, T2 c) { return a * b + c; }                               \
  inline T2 __hneg2(T2 a) { return {-a.x, -a.y}; }
XP_FIELD_PAIR(XpFieldHalf2, 0)
XP_FIELD_PAIR(XpFieldBfloat162, 1)
#undef XP_FIELD_PAIR
inline XpFieldHalf2 __floats2half2_rn(XpField<2> x, XpField<2> y) { return {x, y}; }
inline XpFieldHalf2 __float2half2_rn(XpField<2> x) { return {x, x}; }
inline XpFieldHalf2 __halves2half2(XpField<0> x, XpField<0> y) { return {x, y}; }
inline XpFieldHalf2 __half2half2(XpField<0> x) { return {x, x}; }
inline XpField<0> __low2half(XpFieldHalf2 v) { return v.x; }
inline XpField<0> __high2half(XpFieldHalf2 v) { return v.y; }
inline XpField<2> __low2float(XpFieldHalf2 v) { return v.x; }
inline XpField<2> __high2float(XpFieldHalf2 v) { return v.y; }
inline XpFieldFloat2 __half22float2(XpFieldHalf2 v) { return {v.x, v.y}; }
inline XpFieldHalf2 __float22half2_rn(XpFieldFloat2 v) { return {v.x, v.y}; }
#define half2 XpFieldHalf2
#define __half2 XpFieldHalf2
#define make_half2 make_XpFieldHalf2
#define __nv_bfloat162 XpFieldBfloat162
#define nv_bfloat162 XpFieldBfloat162
#define half XpFieldHalf
#define __half XpFieldHalf
#define half_t XpFieldHalf
#define _Float16 XpFieldHalf
#define bfloat16 XpFieldBfloat16
#define bfloat16_t XpFieldBfloat16
#define __nv_bfloat16 XpFieldBfloat16
#define nv_bfloat16 XpFieldBfloat16
#define __hip_bfloat16 XpFieldBfloat16
#define hip_bfloat16 XpFieldBfloat16
#endif
typedef XpField<0> XpFieldHalf;
typedef XpField<1> XpFieldBfloat16;
typedef XpField<2> XpFieldFloat;
typedef XpField<3> XpFieldDouble;

// What the dialects' headers, where they are included, ask of a type.
template <class T, class... Types>
struct XpAmong;
template <int K, class... Types>
struct XpAmong<XpField<K>, Types...> : XpAmong<typename XpReal<K>::type, Types...> {};
namespace nvcuda {
namespace wmma {
template <class Operand, class Total>
struct XpProduct;
template <int M, int N, int K, class Operand>
struct XpShape;
template <int M, int N, int K, class Total>
struct XpTotal;
template <int I, int J>
struct XpProduct<XpField<I>, XpField<J>>
    : XpProduct<typename XpReal<I>::type, typename XpReal<J>::type> {};
template <int M, int N, int K, int J>
struct XpShape<M, N, K, XpField<J>> : XpShape<M, N, K, typename XpReal<J>::type> {};
template <int M, int N, int K, int J>
struct XpTotal<M, N, K, XpField<J>> : XpTotal<M, N, K, typename XpReal<J>::type> {};
}  // namespace wmma
}  // namespace nvcuda

#ifdef __CUDACC__
struct XpTf32;
template <class E>
struct XpFieldFor {
  typedef E type;
};
#if XP_PRIME < 65536
template <>
struct XpFieldFor<XpReal<0>::type> {
  typedef XpField<0> type;
};
template <>
struct XpFieldFor<XpReal<1>::type> {
  typedef XpField<1> type;
};
#endif
template <>
struct XpFieldFor<XpReal<2>::type> {
  typedef XpField<2> type;
};
template <>
struct XpFieldFor<XpTf32> {
  typedef XpField<2> type;
};
// Registers of matrix instructions, also those that are declared as words.
struct XpFieldElements {
  template <class E>
  using of = typename XpFieldFor<E>::type;
};
template <class D>
struct XpElements;
template <int K>
struct XpElements<XpField<K>> : XpFieldElements {};
template <>
struct XpElements<unsigned> : XpFieldElements {};
template <>
struct XpElements<int> : XpFieldElements {};
#endif

#ifdef __BANG__
template <class S, class W>
struct XpSum;
template <int K, class W>
struct XpSum<XpField<K>, W> {
  typedef XpField<2> type;
};
template <int K>
inline XpField<K> xp_scaled(XpField<K> sum, int position) {
  const xp_residue base = position < 0 ? (XP_PRIME + 1) / 2 : 2;
  return sum * XpField<K>::of(xp_power(base, position < 0 ? -position : position));
}
#endif

#undef INFINITY
#undef NAN
#define INFINITY (xp_not_polynomial("INFINITY", XpFieldPlace()), XpFieldFloat())
#define NAN (xp_not_polynomial("NAN", XpFieldPlace()), XpFieldFloat())
#define float XpFieldFloat
#define double XpFieldDouble
#define float1 XpFieldFloat1
#define float2 XpFieldFloat2
#define float3 XpFieldFloat3
#define float4 XpFieldFloat4
#define double1 XpFieldDouble1
#define double2 XpFieldDouble2
#define double3 XpFieldDouble3
#define double4 XpFieldDouble4
#define make_float1 make_XpFieldFloat1
#define make_float2 make_XpFieldFloat2
#define make_float3 make_XpFieldFloat3
#define make_float4 make_XpFieldFloat4
#define make_double1 make_XpFieldDouble1
#define make_double2 make_XpFieldDouble2
#define make_double3 make_XpFieldDouble3
#define make_double4 make_XpFieldDouble4
