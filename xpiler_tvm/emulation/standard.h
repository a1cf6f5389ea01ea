// What kernels use of the C and C++ standard libraries. No header of the system is read, so that a
// kernel sees nothing of the C library but what stands here; it is also faster to parse.
// Included inside the kernel's own namespace: `std` is one of ours, too.
#pragma once

typedef decltype(sizeof 0) size_t;
typedef decltype((char*)0 - (char*)0) ptrdiff_t;
typedef decltype(sizeof 0) uintptr_t;
typedef ptrdiff_t intptr_t, ssize_t, intmax_t;
typedef size_t uintmax_t;
typedef signed char int8_t, int_least8_t, int_fast8_t;
typedef short int16_t, int_least16_t;
typedef int int32_t, int_least32_t;
typedef long int64_t, int_least64_t, int_fast16_t, int_fast32_t, int_fast64_t;
typedef unsigned char uint8_t, uint_least8_t, uint_fast8_t;
typedef unsigned short uint16_t, uint_least16_t;
typedef unsigned uint32_t, uint_least32_t;
typedef unsigned long uint64_t, uint_least64_t, uint_fast16_t, uint_fast32_t, uint_fast64_t;
typedef decltype(nullptr) nullptr_t;

#define NULL __null
#define offsetof(type, member) __builtin_offsetof(type, member)

#define CHAR_BIT 8
#define SCHAR_MIN (-128)
#define SCHAR_MAX 127
#define UCHAR_MAX 255
#define CHAR_MIN (char(-1) < 0 ? -128 : 0)
#define CHAR_MAX (char(-1) < 0 ? 127 : 255)
#define SHRT_MIN (-32768)
#define SHRT_MAX 32767
#define USHRT_MAX 65535
#define INT_MIN (-2147483647 - 1)
#define INT_MAX 2147483647
#define UINT_MAX 4294967295u
#define LONG_MIN (-9223372036854775807l - 1)
#define LONG_MAX 9223372036854775807l
#define ULONG_MAX 18446744073709551615ul
#define LLONG_MIN (-9223372036854775807ll - 1)
#define LLONG_MAX 9223372036854775807ll
#define ULLONG_MAX 18446744073709551615ull
#define INT8_MIN SCHAR_MIN
#define INT8_MAX SCHAR_MAX
#define UINT8_MAX UCHAR_MAX
#define INT16_MIN SHRT_MIN
#define INT16_MAX SHRT_MAX
#define UINT16_MAX USHRT_MAX
#define INT32_MIN INT_MIN
#define INT32_MAX INT_MAX
#define UINT32_MAX UINT_MAX
#define INT64_MIN LONG_MIN
#define INT64_MAX LONG_MAX
#define UINT64_MAX ULONG_MAX
#define SIZE_MAX ULONG_MAX
#define INTPTR_MAX LONG_MAX
#define INTPTR_MIN LONG_MIN
#define UINTPTR_MAX ULONG_MAX
#define PTRDIFF_MAX LONG_MAX
#define PTRDIFF_MIN LONG_MIN
#define INT8_C(x) x
#define INT16_C(x) x
#define INT32_C(x) x
#define INT64_C(x) x##l
#define UINT8_C(x) x
#define UINT16_C(x) x
#define UINT32_C(x) x##u
#define UINT64_C(x) x##ul

#define FLT_RADIX 2
#define FLT_DIG 6
#define FLT_MANT_DIG 24
#define FLT_MIN_EXP (-125)
#define FLT_MAX_EXP 128
#define FLT_MAX 3.40282346638528859812e+38f
#define FLT_MIN 1.17549435082228750797e-38f
#define FLT_TRUE_MIN 1.40129846432481707092e-45f
#define FLT_EPSILON 1.1920928955078125e-7f
#define DBL_DIG 15
#define DBL_MANT_DIG 53
#define DBL_MIN_EXP (-1021)
#define DBL_MAX_EXP 1024
#define DBL_MAX 1.79769313486231570815e+308
#define DBL_MIN 2.22507385850720138309e-308
#define DBL_TRUE_MIN 4.94065645841246544177e-324
#define DBL_EPSILON 2.22044604925031308085e-16
#define HUGE_VAL __builtin_huge_val()
#define HUGE_VALF __builtin_huge_valf()

// What is printed goes to the file that captures a run's output.
extern "C" int printf(const char* format, ...);

#define assert(...)                                                              \
  ((__VA_ARGS__) ? (void)0                                                       \
                 : xp_fail(5005, __LINE__, "the assertion %s does not hold", #__VA_ARGS__))

inline void* memcpy(void* to, const void* from, size_t n) { return __builtin_memcpy(to, from, n); }
inline void* memmove(void* to, const void* from, size_t n) { return __builtin_memmove(to, from, n); }
inline void* memset(void* to, int byte, size_t n) { return __builtin_memset(to, byte, n); }
inline int memcmp(const void* a, const void* b, size_t n) { return __builtin_memcmp(a, b, n); }

namespace std {

using ::xp::int16_t;
using ::xp::int32_t;
using ::xp::int64_t;
using ::xp::int8_t;
using ::xp::intptr_t;
using ::xp::memcmp;
using ::xp::memcpy;
using ::xp::memmove;
using ::xp::memset;
using ::xp::nullptr_t;
using ::xp::printf;
using ::xp::ptrdiff_t;
using ::xp::size_t;
using ::xp::uint16_t;
using ::xp::uint32_t;
using ::xp::uint64_t;
using ::xp::uint8_t;
using ::xp::uintptr_t;

// --- <type_traits>
template <class T, T number>
struct integral_constant {
  static constexpr T value = number;
  typedef T value_type;
  typedef integral_constant type;
  constexpr operator T() const { return number; }
  constexpr T operator()() const { return number; }
};
template <bool truth>
using bool_constant = integral_constant<bool, truth>;
typedef bool_constant<true> true_type;
typedef bool_constant<false> false_type;

template <class...>
using void_t = void;
template <bool, class T, class F>
struct conditional {
  typedef T type;
};
template <class T, class F>
struct conditional<false, T, F> {
  typedef F type;
};
template <bool, class T = void>
struct enable_if {};
template <class T>
struct enable_if<true, T> {
  typedef T type;
};
template <bool test, class T, class F>
using conditional_t = typename conditional<test, T, F>::type;
template <bool test, class T = void>
using enable_if_t = typename enable_if<test, T>::type;

#define XP_TRAIT(name, pattern)  \
  template <class T>             \
  struct name {                  \
    typedef T type;              \
  };                             \
  template <class T>             \
  struct name<pattern> {         \
    typedef T type;              \
  };                             \
  template <class T>             \
  using name##_t = typename name<T>::type;
XP_TRAIT(remove_const, const T)
XP_TRAIT(remove_volatile, volatile T)
XP_TRAIT(remove_pointer_, T*)
XP_TRAIT(remove_extent, T[])
#undef XP_TRAIT
template <class T>
struct remove_cv : remove_const<typename remove_volatile<T>::type> {};
template <class T>
using remove_cv_t = typename remove_cv<T>::type;
template <class T>
struct remove_pointer : remove_pointer_<remove_cv_t<T>> {};
template <class T>
using remove_pointer_t = typename remove_pointer<T>::type;
template <class T>
struct remove_reference {
  typedef T type;
};
template <class T>
struct remove_reference<T&> {
  typedef T type;
};
template <class T>
struct remove_reference<T&&> {
  typedef T type;
};
template <class T>
using remove_reference_t = typename remove_reference<T>::type;
template <class T>
struct decay : remove_cv<remove_reference_t<T>> {};
template <class T, size_t n>
struct decay<T[n]> {
  typedef T* type;
};
template <class T>
using decay_t = typename decay<T>::type;
template <class T>
struct add_const {
  typedef const T type;
};
template <class T>
struct add_pointer {
  typedef remove_reference_t<T>* type;
};
template <class T>
using add_const_t = typename add_const<T>::type;
template <class T>
using add_pointer_t = typename add_pointer<T>::type;

template <class A, class B>
struct is_same : false_type {};
template <class T>
struct is_same<T, T> : true_type {};
template <class A, class B>
inline constexpr bool is_same_v = is_same<A, B>::value;

template <class T>
struct is_integral_ : false_type {};
template <class T>
struct is_floating_ : false_type {};
#define XP_TYPES(row)                                                                       \
  row(bool) row(char) row(signed char) row(unsigned char) row(short) row(unsigned short)    \
  row(int) row(unsigned) row(long) row(unsigned long) row(long long) row(unsigned long long)
#define XP_ROW(T)         \
  template <>             \
  struct is_integral_<T> : true_type {};
XP_TYPES(XP_ROW)
#undef XP_ROW
template <>
struct is_floating_<float> : true_type {};
template <>
struct is_floating_<double> : true_type {};

#define XP_QUESTION(name, answer)        \
  template <class T>                     \
  struct name : bool_constant<(answer)> {}; \
  template <class T>                     \
  inline constexpr bool name##_v = name<T>::value;
XP_QUESTION(is_integral, is_integral_<remove_cv_t<T>>::value)
XP_QUESTION(is_floating_point, is_floating_<remove_cv_t<T>>::value)
XP_QUESTION(is_arithmetic, is_integral<T>::value || is_floating_point<T>::value)
XP_QUESTION(is_signed, is_arithmetic<T>::value && T(-1) < T(0))
XP_QUESTION(is_unsigned, is_integral<T>::value && !(T(-1) < T(0)))
XP_QUESTION(is_const, false)
XP_QUESTION(is_pointer, (!is_same<remove_pointer_t<T>, remove_cv_t<T>>::value))
XP_QUESTION(is_enum, __is_enum(T))
XP_QUESTION(is_class, __is_class(T))
XP_QUESTION(is_trivially_copyable, __is_trivially_copyable(T))
XP_QUESTION(is_void, (is_same<remove_cv_t<T>, void>::value))
#undef XP_QUESTION
template <class T>
struct is_const<const T> : true_type {};
template <class From, class To>
struct is_base_of : bool_constant<__is_base_of(From, To)> {};

template <class T>
struct make_unsigned;
template <class T>
struct make_signed;
#define XP_ROW(S, U)                    \
  template <>                           \
  struct make_unsigned<S> { typedef U type; }; \
  template <>                           \
  struct make_unsigned<U> { typedef U type; }; \
  template <>                           \
  struct make_signed<S> { typedef S type; };   \
  template <>                           \
  struct make_signed<U> { typedef S type; };
XP_ROW(signed char, unsigned char)
XP_ROW(short, unsigned short)
XP_ROW(int, unsigned)
XP_ROW(long, unsigned long)
XP_ROW(long long, unsigned long long)
#undef XP_ROW
template <class T>
using make_unsigned_t = typename make_unsigned<T>::type;
template <class T>
using make_signed_t = typename make_signed<T>::type;

// --- <utility>
template <class T>
constexpr remove_reference_t<T>&& move(T&& value) {
  return static_cast<remove_reference_t<T>&&>(value);
}
template <class T>
constexpr T&& forward(remove_reference_t<T>& value) {
  return static_cast<T&&>(value);
}
template <class T>
constexpr T&& forward(remove_reference_t<T>&& value) {
  return static_cast<T&&>(value);
}
template <class T>
T&& declval();
template <class T>
constexpr void swap(T& a, T& b) {
  T kept = move(a);
  a = move(b);
  b = move(kept);
}
template <class A, class B>
struct pair {
  typedef A first_type;
  typedef B second_type;
  A first;
  B second;
};
template <class A, class B>
constexpr pair<decay_t<A>, decay_t<B>> make_pair(A&& a, B&& b) {
  return {forward<A>(a), forward<B>(b)};
}
template <class T, T... numbers>
struct integer_sequence {
  typedef T value_type;
  static constexpr size_t size() { return sizeof...(numbers); }
};
template <size_t... numbers>
using index_sequence = integer_sequence<size_t, numbers...>;
template <size_t n, size_t... numbers>
struct make_sequence_ : make_sequence_<n - 1, n - 1, numbers...> {};
template <size_t... numbers>
struct make_sequence_<0, numbers...> {
  template <class T>
  using of = integer_sequence<T, T(numbers)...>;
};
template <class T, T n>
using make_integer_sequence = typename make_sequence_<n>::template of<T>;
template <size_t n>
using make_index_sequence = make_integer_sequence<size_t, n>;

// --- <algorithm>
template <class T>
constexpr const T& min(const T& a, const T& b) {
  return b < a ? b : a;
}
template <class T>
constexpr const T& max(const T& a, const T& b) {
  return a < b ? b : a;
}
template <class T>
constexpr const T& clamp(const T& x, const T& low, const T& high) {
  return x < low ? low : high < x ? high : x;
}
template <class T, class V>
constexpr void fill(T* first, T* last, const V& value) {
  for (; first != last; ++first) *first = value;
}
template <class From, class To>
constexpr To copy(From first, From last, To to) {
  for (; first != last; ++first, ++to) *to = *first;
  return to;
}

// --- <array>
template <class T, size_t n>
struct array {
  T elements[n ? n : 1];
  constexpr T& operator[](size_t i) { return elements[i]; }
  constexpr const T& operator[](size_t i) const { return elements[i]; }
  constexpr T* data() { return elements; }
  constexpr const T* data() const { return elements; }
  constexpr T* begin() { return elements; }
  constexpr T* end() { return elements + n; }
  constexpr const T* begin() const { return elements; }
  constexpr const T* end() const { return elements + n; }
  constexpr void fill(const T& value) {
    for (T& element : elements) element = value;
  }
  static constexpr size_t size() { return n; }
};

// --- <functional>
#define XP_FUNCTOR(name, value)                        \
  template <class T = void>                            \
  struct name {                                        \
    constexpr auto operator()(const T& a, const T& b) const { return value; } \
  };                                                   \
  template <>                                          \
  struct name<void> {                                  \
    template <class A, class B>                        \
    constexpr auto operator()(const A& a, const B& b) const { return value; } \
  };
XP_FUNCTOR(plus, a + b)
XP_FUNCTOR(minus, a - b)
XP_FUNCTOR(multiplies, a * b)
XP_FUNCTOR(divides, a / b)
XP_FUNCTOR(less, a < b)
XP_FUNCTOR(greater, a > b)
XP_FUNCTOR(equal_to, a == b)
XP_FUNCTOR(bit_and, a & b)
XP_FUNCTOR(bit_or, a | b)
XP_FUNCTOR(bit_xor, a ^ b)
#undef XP_FUNCTOR

// --- <limits>
template <class T>
struct numeric_limits {
  static constexpr bool is_specialized = false;
};
template <class T>
struct integer_limits_ {
  static constexpr bool is_specialized = true, is_integer = true, has_infinity = false;
  static constexpr bool is_signed = T(-1) < T(0);
  static constexpr int digits = T(2) == T(1) ? 1 : sizeof(T) * 8 - is_signed;
  static constexpr T min() { return is_signed ? T(1ull << digits % 64) : T(0); }
  static constexpr T lowest() { return min(); }
  static constexpr T max() { return T(~0ull >> (64 - digits)); }
  static constexpr T epsilon() { return T(0); }
};
#define XP_ROW(T) \
  template <>     \
  struct numeric_limits<T> : integer_limits_<T> {};
XP_TYPES(XP_ROW)
#undef XP_ROW
#undef XP_TYPES
#define XP_ROW(T, high, low, step, bits, f)                                                \
  template <>                                                                              \
  struct numeric_limits<T> {                                                               \
    static constexpr bool is_specialized = true, is_integer = false, has_infinity = true;  \
    static constexpr bool is_signed = true;                                                \
    static constexpr int digits = bits;                                                    \
    static constexpr T min() { return low; }                                               \
    static constexpr T lowest() { return -max(); }                                         \
    static constexpr T max() { return high; }                                              \
    static constexpr T epsilon() { return step; }                                          \
    static constexpr T infinity() { return __builtin_huge_val##f(); }                      \
    static constexpr T quiet_NaN() { return __builtin_nan##f(""); }                        \
  };
XP_ROW(float, FLT_MAX, FLT_MIN, FLT_EPSILON, FLT_MANT_DIG, f)
XP_ROW(double, DBL_MAX, DBL_MIN, DBL_EPSILON, DBL_MANT_DIG, )
#undef XP_ROW

}  // namespace std
