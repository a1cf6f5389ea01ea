// What host code calls of the C and C++ standard libraries.
#pragma once
#include "math.h"
extern "C" {
XP_HD int printf(const char *, ...); XP_HD void __assert_fail(const char *, const char *, unsigned, const char *);
struct xp_file; extern xp_file *stderr, *stdout;
int fprintf(xp_file *, const char *, ...); int puts(const char *); int fflush(xp_file *); void perror(const char *);
void exit(int) __attribute__((noreturn)); void abort() __attribute__((noreturn));
void *malloc(size_t); void *calloc(size_t, size_t); void free(void *); int rand(); void srand(unsigned); int atoi(const char *); double atof(const char *);
void *memset(void *, int, size_t); void *memcpy(void *, const void *, size_t); int strcmp(const char *, const char *);
long time(long *); long clock(); void *aligned_alloc(size_t, size_t);
}
namespace std {
using ::printf; using ::fprintf; using ::puts; using ::fflush; using ::perror; using ::exit; using ::abort; using ::malloc; using ::calloc; using ::free;
using ::rand; using ::srand; using ::atoi; using ::atof; using ::memset; using ::memcpy; using ::strcmp; using ::time; using ::clock; using ::aligned_alloc;
using ::sqrtf; using ::expf; using ::fabsf; using ::fmaxf; using ::fminf;
}
#define RAND_MAX 2147483647
#define CLOCKS_PER_SEC 1000000
#define assert(c) ((void)0)
namespace std {
template <class T> struct vector {
  vector(); explicit vector(size_t n); vector(size_t n, T v);
  T *data(); const T *data() const; size_t size() const; T &operator[](size_t); const T &operator[](size_t) const;
  T *begin(); T *end(); const T *begin() const; const T *end() const; void resize(size_t); void assign(size_t, T); bool empty() const; void push_back(T);
};
struct string { string(); string(const char *); const char *c_str() const; };
struct ostream { };
template <class T> ostream &operator<<(ostream &, const T &);
ostream &operator<<(ostream &, ostream &(*)(ostream &));
ostream &endl(ostream &);
extern ostream cout, cerr;
struct mt19937 { mt19937(unsigned = 0); unsigned operator()(); };
template <class T = float> struct uniform_real_distribution { uniform_real_distribution(T = 0, T = 1); template <class G> T operator()(G &); };
template <class T = float> struct normal_distribution { normal_distribution(T = 0, T = 1); template <class G> T operator()(G &); };
template <class T> struct unique_ptr { explicit unique_ptr(T * = 0); T *get(); };
template <class T> struct unique_ptr<T[]> { explicit unique_ptr(T * = 0); T *get(); T &operator[](size_t); };
template <class T> void swap(T &, T &);
template <class I, class V> void fill(I, I, V);
}
