// BANG C. Elementwise operations and pools follow, generated from `dialects/bang.py`; what moves
// data, reduces, multiplies matrices or converts is here. Every operand is checked against the
// variable and the memory it lies in.
#pragma once
#include "common.h"

#define __BANG__ 1
#define __mlu_global__
#define __mlu_entry__
#define __mlu_device__
#define __mlu_func__ inline
#define __mlu_host__
#define __mlu_const__ static const
// Sections of their own tell the memories apart. The compiler may not remove what only
// intrinsics touch, and the first byte is aligned as the vector unit wants it.
#define XP_MEMORY(name) static __attribute__((section(name), aligned(128)))
#define __nram__ XP_MEMORY("xp_nram")
#define __wram__ XP_MEMORY("xp_wram")
#define __mlu_shared__ XP_MEMORY("xp_sram")
#define __ldram__ XP_MEMORY("xp_ldram")

#define __bang_printf printf

typedef bfloat16 bfloat16_t;
typedef half half_t;

// The line of the call, as a type that no argument converts to.
struct XpLine {
  int line;
  explicit XpLine(int line = __builtin_LINE()) : line(line) {}
};

template <class T>
struct XpSame {
  typedef T type;
};
template <class T, class... Allowed>
struct XpOneOf {
  static constexpr bool value = false;
};
template <class T, class... Rest>
struct XpOneOf<T, T, Rest...> {
  static constexpr bool value = true;
};
template <class T, class First, class... Rest>
struct XpOneOf<T, First, Rest...> : XpOneOf<T, Rest...> {};

// Sixteen-bit floats are computed in float and rounded once.
inline float xp_wide(half x) { return (float)x; }
inline float xp_wide(bfloat16 x) { return (float)x; }
template <class T>
inline T xp_wide(T x) {
  return x;
}

// --- jobs, cores and barriers
inline bool __is_mpu() { return coreId == 0x80; }
inline bool __is_ipu() { return coreId != 0x80; }
inline void __sync() {}
inline void __sync_compute() {}
inline void __sync_io() {}
inline void __sync_move() {}
inline void __sync_io_move_compute() {}
inline void __sync_cluster(int site = __builtin_LINE()) {
  if (clusterDim == 0) return;
  const unsigned long long all = (1ull << xp_launched()->warp) - 1;
  xp_collective_done(xp_collective(XP_SYNC, all, site, nullptr, 0));
  __asm__ volatile("" ::: "memory");
}
// IPU and MPU reach it from different lines by design, so the line does not tell barriers apart.
inline void __sync_all() {
  if (clusterDim == 0) return;
  xp_barrier(0, 0, nullptr);
  __asm__ volatile("" ::: "memory");
}
#define XP_SYNC_COPY(from, to) inline void __sync_copy_##from##_to_##to() {}
XP_SYNC_COPY(dram, nram)
XP_SYNC_COPY(nram, dram)
XP_SYNC_COPY(dram, wram)
XP_SYNC_COPY(wram, dram)
XP_SYNC_COPY(dram, sram)
XP_SYNC_COPY(sram, dram)
XP_SYNC_COPY(sram, nram)
XP_SYNC_COPY(nram, sram)
XP_SYNC_COPY(nram, wram)
XP_SYNC_COPY(wram, nram)
#undef XP_SYNC_COPY
// Cores are switched only where they wait: nothing can come between lock and unlock.
inline void __bang_lock(int = 0, int = 0) {}
inline void __bang_unlock(int = 0, int = 0) {}

// --- copies
inline int xp_from(mluMemcpyDirection_t direction) { return xp_directions[direction] >> 8; }
inline int xp_to(mluMemcpyDirection_t direction) { return xp_directions[direction] & 255; }

// Bytes from the lowest to the highest address that `count` segments at `stride` touch.
inline long long xp_extent(long long size, long long stride, long long segments) {
  return size + (stride < 0 ? -stride : stride) * segments;
}
inline const char* xp_lowest(const void* p, long long stride, long long segments) {
  return (const char*)p + (stride < 0 ? stride * segments : 0);
}

inline void __memcpy(void* dst, const void* src, int size, mluMemcpyDirection_t direction,
                     XpLine at = XpLine()) {
  xp_operand("__memcpy", at.line, "the destination", dst, size, xp_to(direction));
  xp_operand("__memcpy", at.line, "the source", src, size, xp_from(direction));
  __builtin_memmove(dst, src, size);
}
// `segments` counts one less than there are; strides are bytes, the destination's first.
inline void __memcpy(void* dst, const void* src, int size, mluMemcpyDirection_t direction,
                     int dst_stride, int src_stride, int segments, XpLine at = XpLine()) {
  const char* name = "__memcpy";
  if (segments < 0 || segments > 65535) {
    xp_fail(5002, at.line, "__memcpy: %d segments are outside 0 to 65535", segments);
  }
  xp_operand(name, at.line, "the destination", xp_lowest(dst, dst_stride, segments),
             xp_extent(size, dst_stride, segments), xp_to(direction));
  xp_operand(name, at.line, "the source", xp_lowest(src, src_stride, segments),
             xp_extent(size, src_stride, segments), xp_from(direction));
  for (long long i = 0; i <= segments; ++i) {
    __builtin_memmove((char*)dst + i * dst_stride, (const char*)src + i * src_stride, size);
  }
}
// Segment k in the source's order goes to segment k in the destination's; stride 0 is the inner.
inline void __memcpy(void* dst, const void* src, int size, mluMemcpyDirection_t direction,
                     int dst_stride0, int dst_segments1, int dst_stride1, int dst_segments2,
                     int src_stride0, int src_segments1, int src_stride1, int src_segments2,
                     XpLine at = XpLine()) {
  const long long count = (dst_segments1 + 1ll) * (dst_segments2 + 1);
  if (count != (src_segments1 + 1ll) * (src_segments2 + 1)) {
    xp_fail(5002, at.line, "__memcpy: the destination has %lld segments, the source another number",
            count);
  }
  for (long long i = 0; i < count; ++i) {
    const long long d1 = i % (dst_segments1 + 1), d2 = i / (dst_segments1 + 1);
    const long long s1 = i % (src_segments1 + 1), s2 = i / (src_segments1 + 1);
    __memcpy((char*)dst + d1 * dst_stride0 + d2 * dst_stride1,
             (const char*)src + s1 * src_stride0 + s2 * src_stride1, size, direction, at);
  }
}
#define __memcpy_async __memcpy

// --- fills: the element is of the value's type, not of the destination's
template <class V>
inline void xp_fill(const char* name, int line, void* dst, long long n, V value, int space) {
  xp_operand(name, line, "the destination", dst, n * (long long)sizeof(V), space);
  for (long long i = 0; i < n; ++i) ((V*)dst)[i] = value;
}
// There are no vectors of double: a double is a literal for the destination's own type.
template <class T, class V>
struct XpFilled {
  typedef V type;
};
template <class T>
struct XpFilled<T, double> {
  typedef T type;
};
template <>
struct XpFilled<void, double> {
  typedef float type;
};
#define XP_FILL(name, space)                                                        \
  template <class T, class V>                                                       \
  inline void name(T* dst, int n, V value, XpLine at = XpLine()) {                  \
    xp_fill(#name, at.line, dst, n, (typename XpFilled<T, V>::type)value, space);   \
  }
XP_FILL(__bang_write_value, XP_NRAM)
XP_FILL(__nramset, XP_NRAM)
XP_FILL(__memset_nram, XP_NRAM)
XP_FILL(__gdramset, XP_GDRAM)
XP_FILL(__sramset, XP_SRAM)
XP_FILL(__ldramset, XP_LDRAM)
#undef XP_FILL
template <class T>
inline void __bang_write_zero(T* dst, int n, XpLine at = XpLine()) {
  xp_fill("__bang_write_zero", at.line, (void*)dst, n, T(0), XP_NRAM);
}

// --- reductions and selection
// Sums of each 128 bytes, at the first element of the block; the others stay.
template <class T>
inline void __bang_reduce_sum(T* dst, const T* src, int n, XpLine at = XpLine()) {
  const char* name = "__bang_reduce_sum";
  const int block = 128 / sizeof(T);
  xp_operand(name, at.line, "the destination", dst, n * (long long)sizeof(T), XP_NRAM);
  xp_operand(name, at.line, "the source", src, n * (long long)sizeof(T), XP_NRAM);
  for (int i = 0; i < n; i += block) {
    float sum = 0;
    for (int j = i; j < i + block && j < n; ++j) sum += xp_wide(src[j]);
    dst[i] = T(sum);
  }
}
template <class T>
inline T __bang_sum(const T* src, int n, XpLine at = XpLine()) {
  xp_operand("__bang_sum", at.line, "the source", src, n * (long long)sizeof(T), XP_NRAM);
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += xp_wide(src[i]);
  return T(sum);
}
// The value, and in the next word the index of its first occurrence.
template <class T, class Better>
inline void xp_extreme(const char* name, int line, T* dst, const T* src, int n, Better better) {
  const int words = sizeof(T) == 2 ? 3 : 2;
  xp_operand(name, line, "the destination", dst, words * (long long)sizeof(T), XP_NRAM);
  xp_operand(name, line, "the source", src, n * (long long)sizeof(T), XP_NRAM);
  unsigned best = 0;
  for (int i = 1; i < n; ++i) {
    if (better(xp_wide(src[i]), xp_wide(src[best]))) best = i;
  }
  dst[0] = src[best];
  __builtin_memcpy(dst + 1, &best, sizeof best);
}
#define XP_EXTREME(name, comparison)                                                   \
  template <class T>                                                                   \
  inline void name(T* dst, const T* src, int n, XpLine at = XpLine()) {                \
    xp_extreme(#name, at.line, dst, src, n, [](auto a, auto b) { return comparison; }); \
  }
XP_EXTREME(__bang_max, a > b)
XP_EXTREME(__bang_min, a < b)
XP_EXTREME(__bang_argmax, a > b)
XP_EXTREME(__bang_argmin, a < b)
#undef XP_EXTREME
template <class T>
inline void __bang_count(unsigned* dst, const T* src, int n, XpLine at = XpLine()) {
  xp_operand("__bang_count", at.line, "the destination", dst, 4, XP_NRAM);
  xp_operand("__bang_count", at.line, "the source", src, n * (long long)sizeof(T), XP_NRAM);
  unsigned count = 0;
  for (int i = 0; i < n; ++i) count += xp_wide(src[i]) != 0;
  *dst = count;
}
template <class T>
inline void __bang_findfirst1(unsigned* dst, const T* src, int n, XpLine at = XpLine()) {
  xp_operand("__bang_findfirst1", at.line, "the source", src, n * (long long)sizeof(T), XP_NRAM);
  *dst = ~0u;
  for (int i = n - 1; i >= 0; --i) *dst = xp_wide(src[i]) != 0 ? i : *dst;
}
template <class T>
inline void __bang_findlast1(unsigned* dst, const T* src, int n, XpLine at = XpLine()) {
  xp_operand("__bang_findlast1", at.line, "the source", src, n * (long long)sizeof(T), XP_NRAM);
  *dst = ~0u;
  for (int i = 0; i < n; ++i) *dst = xp_wide(src[i]) != 0 ? i : *dst;
}
// The elements whose mask is not zero, packed; how many there are is returned.
template <class T>
inline unsigned xp_pack(const char* name, int line, T* dst, const T* src, const T* mask, int n) {
  const long long bytes = n * (long long)sizeof(T);
  xp_operand(name, line, "the source", src, bytes, XP_NRAM);
  xp_operand(name, line, "the mask", mask, bytes, XP_NRAM);
  unsigned count = 0;
  for (int i = 0; i < n; ++i) count += xp_wide(mask[i]) != 0;
  if (count) xp_operand(name, line, "the destination", dst, count * sizeof(T), XP_NRAM);
  unsigned next = 0;
  for (int i = 0; i < n; ++i) {
    if (xp_wide(mask[i]) != 0) dst[next++] = src[i];
  }
  return count;
}
template <class T>
inline void __bang_collect(T* dst, const T* src, const T* mask, int n, XpLine at = XpLine()) {
  xp_pack("__bang_collect", at.line, dst, src, mask, n);
}
template <class T>
inline unsigned __bang_filter(T* dst, const T* src, const T* mask, int n, XpLine at = XpLine()) {
  return xp_pack("__bang_filter", at.line, dst, src, mask, n);
}
// The count comes first, in 128 bytes of its own.
template <class T>
inline void __bang_select(T* dst, const T* src, const T* mask, int n, XpLine at = XpLine()) {
  xp_operand("__bang_select", at.line, "the destination", dst, 128, XP_NRAM);
  const unsigned count = xp_pack("__bang_select", at.line, dst + 128 / sizeof(T), src, mask, n);
  __builtin_memcpy(dst, &count, sizeof count);
}
// `n` counts bytes' worth of elements; a byte is copied where its bit pattern in the mask is set.
template <class T>
inline void __bang_maskmove(T* dst, const T* src, const T* mask, int n, XpLine at = XpLine()) {
  const long long bytes = n * (long long)sizeof(T);
  xp_operand("__bang_maskmove", at.line, "the destination", dst, bytes, XP_NRAM);
  xp_operand("__bang_maskmove", at.line, "the source", src, bytes, XP_NRAM);
  xp_operand("__bang_maskmove", at.line, "the mask", mask, bytes, XP_NRAM);
  const unsigned char *s = (const unsigned char*)src, *m = (const unsigned char*)mask;
  unsigned char* d = (unsigned char*)dst;
  for (long long i = 0; i < bytes; ++i) d[i] = (s[i] & m[i]) | (d[i] & ~m[i]);
}

// --- layout
template <class T, class Place>
inline void xp_permute(const char* name, int line, T* dst, const T* src, long long n, Place place) {
  const long long bytes = n * (long long)sizeof(T);
  xp_operand(name, line, "the destination", dst, bytes, XP_NRAM);
  xp_operand(name, line, "the source", src, bytes, XP_NRAM);
  xp_overlap(name, line, dst, bytes, src, bytes, 0);
  for (long long i = 0; i < n; ++i) dst[place(i)] = src[i];
}
#define XP_PLANE(name, place)                                                          \
  template <class T>                                                                   \
  inline void name(T* dst, const T* src, int h, int w, XpLine at = XpLine()) {         \
    xp_permute(#name, at.line, dst, src, (long long)h * w, [=](long long i) {          \
      const long long y = i / w, x = i % w;                                            \
      return place;                                                                    \
    });                                                                                \
  }
XP_PLANE(__bang_transpose, x * h + y)
XP_PLANE(__bang_rotate90, x * h + (h - 1 - y))
XP_PLANE(__bang_rotate180, (h - 1 - y) * w + (w - 1 - x))
XP_PLANE(__bang_rotate270, (w - 1 - x) * h + y)
XP_PLANE(__bang_mirror, y * w + (w - 1 - x))
#undef XP_PLANE
template <class T>
inline void __bang_reshape_nchw2nhwc(T* dst, const T* src, int n, int h, int w, int c,
                                     XpLine at = XpLine()) {
  const long long plane = (long long)h * w;
  xp_permute("__bang_reshape_nchw2nhwc", at.line, dst, src, n * plane * c, [=](long long i) {
    const long long image = i / (plane * c), channel = i / plane % c, pixel = i % plane;
    return (image * plane + pixel) * c + channel;
  });
}
template <class T>
inline void __bang_reshape_nhwc2nchw(T* dst, const T* src, int n, int h, int w, int c,
                                     XpLine at = XpLine()) {
  const long long plane = (long long)h * w;
  xp_permute("__bang_reshape_nhwc2nchw", at.line, dst, src, n * plane * c, [=](long long i) {
    const long long image = i / (plane * c), pixel = i / c % plane, channel = i % c;
    return (image * c + channel) * plane + pixel;
  });
}
template <class T>
inline void __bang_pad(T* dst, const T* src, int c, int h, int w, int top, int bottom, int left,
                       int right, XpLine at = XpLine()) {
  const char* name = "__bang_pad";
  const long long height = h + top + bottom, width = w + left + right;
  const long long bytes = height * width * c * (long long)sizeof(T);
  xp_operand(name, at.line, "the destination", dst, bytes, XP_NRAM);
  xp_operand(name, at.line, "the source", src, (long long)h * w * c * sizeof(T), XP_NRAM);
  xp_overlap(name, at.line, dst, bytes, src, (long long)h * w * c * sizeof(T), 0);
  for (long long i = 0; i < height * width * c; ++i) {
    const long long y = i / (width * c) - top, x = i / c % width - left;
    const bool inside = y >= 0 && y < h && x >= 0 && x < w;
    dst[i] = inside ? src[(y * w + x) * c + i % c] : T(0);
  }
}
template <class T>
inline void __bang_pad(T* dst, const T* src, int c, int h, int w, int pad_h, int pad_w,
                       XpLine at = XpLine()) {
  __bang_pad(dst, src, c, h, w, pad_h, pad_h, pad_w, pad_w, at);
}

// --- pools: HWC, one image, no padding, incomplete windows dropped. `step` folds a value into the
// window's accumulator, `scale` ends it with the window's size.
template <class T, class Step, class Scale>
inline void xp_pool(const char* name, int line, T* dst, const T* src, int channel, int height,
                    int width, int kernel_h, int kernel_w, int stride_w, int stride_h, float start,
                    Step step, Scale scale) {
  if (kernel_h <= 0 || kernel_w <= 0 || stride_w <= 0 || stride_h <= 0) {
    xp_fail(5002, line, "%s: an extent or a stride is not positive", name);
  }
  const long long oh = (height - kernel_h) / stride_h + 1, ow = (width - kernel_w) / stride_w + 1;
  const long long dst_bytes = oh * ow * channel * (long long)sizeof(T);
  const long long src_bytes = (long long)height * width * channel * sizeof(T);
  xp_operand(name, line, "the destination", dst, dst_bytes, XP_NRAM);
  xp_operand(name, line, "the source", src, src_bytes, XP_NRAM);
  xp_overlap(name, line, dst, dst_bytes, src, src_bytes, 0);
  for (long long i = 0; i < oh * ow * channel; ++i) {
    const long long c = i % channel, x = i / channel % ow * stride_w, y = i / channel / ow * stride_h;
    float result = start;
    for (long long ky = y; ky < y + kernel_h; ++ky)
      for (long long kx = x; kx < x + kernel_w; ++kx)
        result = step(result, xp_wide(src[(ky * width + kx) * channel + c]));
    dst[i] = T(scale(result, (float)kernel_h * kernel_w));
  }
}

// --- the matrix unit. Weights lie in WRAM as `__bang_reshape_filter` leaves them: filter `co` of
// `n` at row (co % 64) * (n / 64) + co / 64. Text that never calls it stores them as they come
// (`XP_RESHAPED` is 0): matmul then reads rows of K by N, as informal kernels mean it.
inline long long xp_filter(long long co, long long n) {
  return XP_RESHAPED ? (co % 64) * (n / 64) + co / 64 : co;
}
template <class T>
inline void __bang_reshape_filter(T* dst, const T* src, int n, int h, int w, int c,
                                  XpLine at = XpLine()) {
  if (n % 64) xp_fail(5002, at.line, "__bang_reshape_filter: %d filters, no multiple of 64", n);
  const long long size = (long long)h * w * c;
  xp_permute("__bang_reshape_filter", at.line, dst, src, n * size, [=](long long i) {
    const long long co = i / size;
    return ((co % 64) * (n / 64) + co / 64) * size + i % size;
  });
}

// The accumulator: integers are exact, everything else is summed in float.
template <class T>
struct XpAccumulator {
  typedef float type;
};
template <>
struct XpAccumulator<signed char> {
  typedef long long type;
};
template <>
struct XpAccumulator<short> {
  typedef long long type;
};
template <>
struct XpAccumulator<int> {
  typedef long long type;
};
template <class D, class S>
inline D xp_result(S sum, int fix_pos) {
  return fix_pos == 0 ? D(sum) : D(__builtin_ldexp((double)sum, fix_pos));
}
template <class D, class S, class W>
inline void xp_matrix_operands(const char* name, int line, D* dst, long long d, const S* src,
                               long long s, const W* weight, long long w) {
  d *= sizeof(D), s *= sizeof(S), w *= sizeof(W);
  xp_operand(name, line, "the destination", dst, d, XP_NRAM);
  xp_operand(name, line, "the source", src, s, XP_NRAM);
  xp_operand(name, line, "the weight", weight, w, XP_WRAM);
  xp_overlap(name, line, dst, d, src, s, 0);
}

// dst[OH][OW][CO] = sum of src[H][W][CI] * kernel[CO][KH][KW][CI] (+ bias[CO]), no padding.
template <class D, class S, class W>
inline void xp_conv(const char* name, int line, D* dst, const S* src, const W* kernel, const D* bias,
                    const D* partial, int ci, int h, int w, int kh, int kw, int stride_w,
                    int stride_h, int co, int fix_pos) {
  const int oh = (h - kh) / stride_h + 1, ow = (w - kw) / stride_w + 1;
  const long long filter = (long long)kh * kw * ci, outputs = (long long)oh * ow * co;
  if (XP_RESHAPED && co % 64) xp_fail(5002, line, "%s: %d channels, no multiple of 64", name, co);
  xp_matrix_operands(name, line, dst, outputs, src, (long long)h * w * ci, kernel, co * filter);
  if (bias) xp_operand(name, line, "the bias", bias, co * sizeof(D), XP_NRAM);
  if (partial) xp_operand(name, line, "the partial sum", partial, outputs * sizeof(D), XP_NRAM);
  for (int y = 0; y < oh; ++y)
    for (int x = 0; x < ow; ++x)
      for (int c = 0; c < co; ++c) {
        typename XpAccumulator<S>::type sum = 0;
        const W* weight = kernel + xp_filter(c, co) * filter;
        for (int ky = 0; ky < kh; ++ky)
          for (int kx = 0; kx < kw; ++kx)
            for (int k = 0; k < ci; ++k)
              sum += (decltype(sum))xp_wide(
                         src[((long long)(y * stride_h + ky) * w + x * stride_w + kx) * ci + k]) *
                     (decltype(sum))xp_wide(weight[((long long)ky * kw + kx) * ci + k]);
        const long long i = ((long long)y * ow + x) * co + c;
        float result = xp_wide(xp_result<float>(sum, fix_pos));
        if (bias) result += xp_wide(bias[c]);
        if (partial) result += xp_wide(partial[i]);
        dst[i] = bias || partial ? D(result) : xp_result<D>(sum, fix_pos);
      }
}
template <class D, class S, class W>
inline void __bang_conv(D* dst, const S* src, const W* kernel, int ci, int h, int w, int kh, int kw,
                        int stride_w, int stride_h, int co, int fix_pos = 0, XpLine at = XpLine()) {
  xp_conv<D>("__bang_conv", at.line, dst, src, kernel, nullptr, nullptr, ci, h, w, kh, kw, stride_w,
             stride_h, co, fix_pos);
}
template <class D, class S, class W>
inline void __bang_conv(D* dst, const S* src, const W* kernel, const D* bias, int ci, int h, int w,
                        int kh, int kw, int stride_w, int stride_h, int co, int fix_pos = 0,
                        XpLine at = XpLine()) {
  xp_conv<D>("__bang_conv", at.line, dst, src, kernel, bias, nullptr, ci, h, w, kh, kw, stride_w,
             stride_h, co, fix_pos);
}
template <class D, class S, class W>
inline void __bang_conv_partial(D* dst, const S* src, const W* kernel, const D* partial, int ci,
                                int h, int w, int kh, int kw, int stride_w, int stride_h, int co,
                                int fix_pos = 0, XpLine at = XpLine()) {
  xp_conv<D>("__bang_conv_partial", at.line, dst, src, kernel, nullptr, partial, ci, h, w, kh, kw,
             stride_w, stride_h, co, fix_pos);
}
// dst[M][N] = src[M][K] * B[K][N]; reshaped weights are N filters of length K.
template <class D, class S, class W>
inline void __bang_matmul(D* dst, const S* src, const W* weight, int m, int k, int n,
                          int fix_pos = 0, XpLine at = XpLine()) {
  if (XP_RESHAPED && n % 64) {
    xp_fail(5002, at.line, "__bang_matmul: %d columns, no multiple of 64", n);
  }
  xp_matrix_operands("__bang_matmul", at.line, dst, (long long)m * n, src, (long long)m * k, weight,
                     (long long)k * n);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      typename XpAccumulator<S>::type sum = 0;
      const long long first = XP_RESHAPED ? xp_filter(j, n) * k : j, step = XP_RESHAPED ? 1 : n;
      for (int l = 0; l < k; ++l)
        sum += (decltype(sum))xp_wide(src[(long long)i * k + l]) *
               (decltype(sum))xp_wide(weight[first + l * step]);
      dst[(long long)i * n + j] = xp_result<D>(sum, fix_pos);
    }
}
// One vector. Reshaped: dst[height] = weight[height][width] * src[width]. As it comes:
// dst[width] = src[height] * weight[height][width].
template <class D, class S, class W>
inline void xp_mlp(int line, D* dst, const S* src, const D* bias, const W* weight, int height,
                   int width, int fix_pos) {
  const int outputs = XP_RESHAPED ? height : width, inputs = XP_RESHAPED ? width : height;
  if (XP_RESHAPED && height % 64) {
    xp_fail(5002, line, "__bang_mlp: %d outputs, no multiple of 64", height);
  }
  xp_matrix_operands("__bang_mlp", line, dst, outputs, src, inputs, weight,
                     (long long)height * width);
  if (bias) xp_operand("__bang_mlp", line, "the bias", bias, outputs * sizeof(D), XP_NRAM);
  for (int j = 0; j < outputs; ++j) {
    typename XpAccumulator<S>::type sum = 0;
    const long long first = XP_RESHAPED ? xp_filter(j, outputs) * inputs : j;
    const long long step = XP_RESHAPED ? 1 : width;
    for (int l = 0; l < inputs; ++l)
      sum += (decltype(sum))xp_wide(src[l]) * (decltype(sum))xp_wide(weight[first + l * step]);
    dst[j] = bias ? D(xp_wide(xp_result<float>(sum, fix_pos)) + xp_wide(bias[j]))
                  : xp_result<D>(sum, fix_pos);
  }
}
template <class D, class S, class W>
inline void __bang_mlp(D* dst, const S* src, const W* weight, int height, int width,
                       int fix_pos = 0, XpLine at = XpLine()) {
  xp_mlp<D>(at.line, dst, src, nullptr, weight, height, width, fix_pos);
}
template <class D, class S, class W>
inline void __bang_mlp(D* dst, const S* src, const D* bias, const W* weight, int height, int width,
                       int fix_pos = 0, XpLine at = XpLine()) {
  xp_mlp<D>(at.line, dst, src, bias, weight, height, width, fix_pos);
}

// --- conversions: real value = integer * 2^pos. Rounding modes: rd to nearest, halves away from
// zero; rn to nearest even; rm to nearest, halves up; tz to zero; oz away from zero; up; dn.
inline float xp_round_rd(float x) { return __builtin_roundf(x); }
inline float xp_round_rn(float x) { return __builtin_rintf(x); }
inline float xp_round_rm(float x) { return __builtin_floorf(x + 0.5f); }
inline float xp_round_tz(float x) { return __builtin_truncf(x); }
inline float xp_round_oz(float x) { return x < 0 ? __builtin_floorf(x) : __builtin_ceilf(x); }
inline float xp_round_up(float x) { return __builtin_ceilf(x); }
inline float xp_round_dn(float x) { return __builtin_floorf(x); }

// The nearest value of a 16-bit float is corrected by one step where a mode wants the other side.
template <class T>
inline T xp_step(T value, bool away) {
  unsigned short bits = xp_bits<unsigned short>(value);
  bits += away ? 1 : -1;
  return xp_bits<T>(bits);
}
enum { XP_rd, XP_rn, XP_rm, XP_tz, XP_oz, XP_up, XP_dn };
template <class T, int mode>
inline T xp_narrow(float x) {
  const T near = T(x);
  const float value = (float)near, size = x < 0 ? -x : x, got = value < 0 ? -value : value;
  const bool larger = got > size, smaller = got < size;
  const bool outward = mode == XP_oz || (mode == XP_up && x > 0) || (mode == XP_dn && x < 0);
  const bool nearest = mode == XP_rd || mode == XP_rn || mode == XP_rm;
  if (nearest || x != x) return near;
  if (outward) return smaller ? xp_step(near, true) : near;
  return larger ? xp_step(near, false) : near;
}
template <class T>
inline T xp_saturate(float x) {
  const float low = T(-1) < T(0) ? -__builtin_ldexpf(1, sizeof(T) * 8 - 1) : 0;
  const float high = __builtin_ldexpf(1, sizeof(T) * 8 - (T(-1) < T(0)));
  if (x != x) return T(0);
  if (x >= high) return T(~T(0)) < T(0) ? T(~(1ull << (sizeof(T) * 8 - 1))) : T(~T(0));
  return x <= low ? T((long long)low) : T(x);
}
template <class D, class S, class Map>
inline void xp_convert(const char* name, int line, D* dst, const S* src, int n, Map map) {
  const long long d = n * (long long)sizeof(D), s = n * (long long)sizeof(S);
  xp_operand(name, line, "the destination", dst, d, XP_NRAM);
  xp_operand(name, line, "the source", src, s, XP_NRAM);
  // Narrowing may overwrite what it has read; widening may not.
  xp_overlap(name, line, dst, d, src, s, sizeof(D) <= sizeof(S));
  for (int i = 0; i < n; ++i) dst[i] = map(src[i]);
}
#define XP_WIDEN(name, S, D)                                                             \
  inline void name(D* dst, const S* src, int n, int pos = 0, XpLine at = XpLine()) {     \
    xp_convert(#name, at.line, dst, src, n,                                              \
               [=](S x) { return D(__builtin_ldexpf((float)x, pos)); });                 \
  }
#define XP_TO_SIXTEEN(S, s, D, d, mode)                                                  \
  inline void __bang_##s##2##d##_##mode(D* dst, const S* src, int n, XpLine at = XpLine()) { \
    xp_convert("__bang_" #s "2" #d "_" #mode, at.line, dst, src, n,                      \
               [](S x) { return xp_narrow<D, XP_##mode>((float)x); });                   \
  }
#define XP_TO_INTEGER(S, s, D, d, mode)                                                  \
  inline void __bang_##s##2##d##_##mode(D* dst, const S* src, int n, int pos = 0,        \
                                        XpLine at = XpLine()) {                          \
    xp_convert("__bang_" #s "2" #d "_" #mode, at.line, dst, src, n, [=](S x) {           \
      return xp_saturate<D>(xp_round_##mode(__builtin_ldexpf((float)x, -pos)));          \
    });                                                                                  \
  }
#define XP_MODES(macro, S, s, D, d)                                                      \
  macro(S, s, D, d, rd) macro(S, s, D, d, rn) macro(S, s, D, d, rm) macro(S, s, D, d, tz) \
  macro(S, s, D, d, oz) macro(S, s, D, d, up) macro(S, s, D, d, dn)
XP_WIDEN(__bang_half2float, half, float)
XP_WIDEN(__bang_bfloat162float, bfloat16, float)
XP_WIDEN(__bang_int82float, signed char, float)
XP_WIDEN(__bang_int162float, short, float)
XP_WIDEN(__bang_int322float, int, float)
XP_WIDEN(__bang_int2float, int, float)
XP_WIDEN(__bang_int82half, signed char, half)
XP_WIDEN(__bang_int162half, short, half)
XP_MODES(XP_TO_SIXTEEN, float, float, half, half)
XP_MODES(XP_TO_SIXTEEN, float, float, bfloat16, bfloat16)
XP_MODES(XP_TO_INTEGER, float, float, signed char, int8)
XP_MODES(XP_TO_INTEGER, float, float, short, int16)
XP_MODES(XP_TO_INTEGER, float, float, int, int32)
XP_MODES(XP_TO_INTEGER, float, float, int, int)
XP_MODES(XP_TO_INTEGER, half, half, signed char, int8)
XP_MODES(XP_TO_INTEGER, half, half, short, int16)
#undef XP_WIDEN
#undef XP_TO_SIXTEEN
#undef XP_TO_INTEGER
#undef XP_MODES
inline float __half2float(half x) { return (float)x; }
inline half __float2half_rn(float x) { return (half)x; }
inline half __float2half_rd(float x) { return (half)x; }
inline half __float2half(float x) { return (half)x; }
inline float __bfloat162float(bfloat16 x) { return (float)x; }
inline bfloat16 __float2bfloat16_rn(float x) { return bfloat16(x); }

// --- atomics on GDRAM with vectors from NRAM
template <class T>
inline void __bang_atomic_reduce_add(T* dst, const T* src, int n, XpLine at = XpLine()) {
  const long long bytes = n * (long long)sizeof(T);
  xp_operand("__bang_atomic_reduce_add", at.line, "the destination", dst, bytes, XP_GDRAM);
  xp_operand("__bang_atomic_reduce_add", at.line, "the source", src, bytes, XP_NRAM);
  for (int i = 0; i < n; ++i) dst[i] = T(xp_wide(dst[i]) + xp_wide(src[i]));
}
