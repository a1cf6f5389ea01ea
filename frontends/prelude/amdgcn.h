// Clang's atomic operations and builtins for AMD's processors, under names that Clang does not know:
// of its own builtins it makes other trees than calls.
#pragma once
#define XP_FETCH(name) template <class T> __device__ T xp_hip_atomic_##name(T *, XpSame<T>, int, int);
XP_FETCH(exchange) XP_FETCH(fetch_add) XP_FETCH(fetch_sub) XP_FETCH(fetch_min) XP_FETCH(fetch_max)
XP_FETCH(fetch_and) XP_FETCH(fetch_or) XP_FETCH(fetch_xor)
template <class T> __device__ T xp_hip_atomic_load(const T *, int, int);
template <class T> __device__ void xp_hip_atomic_store(T *, XpSame<T>, int, int);
template <class T> __device__ bool xp_hip_atomic_compare_exchange_strong(T *, T *, XpSame<T>, int, int, int);
template <class T> __device__ bool xp_hip_atomic_compare_exchange_weak(T *, T *, XpSame<T>, int, int, int);
#define __hip_atomic_exchange xp_hip_atomic_exchange
#define __hip_atomic_fetch_add xp_hip_atomic_fetch_add
#define __hip_atomic_fetch_sub xp_hip_atomic_fetch_sub
#define __hip_atomic_fetch_min xp_hip_atomic_fetch_min
#define __hip_atomic_fetch_max xp_hip_atomic_fetch_max
#define __hip_atomic_fetch_and xp_hip_atomic_fetch_and
#define __hip_atomic_fetch_or xp_hip_atomic_fetch_or
#define __hip_atomic_fetch_xor xp_hip_atomic_fetch_xor
#define __hip_atomic_load xp_hip_atomic_load
#define __hip_atomic_store xp_hip_atomic_store
#define __hip_atomic_compare_exchange_strong xp_hip_atomic_compare_exchange_strong
#define __hip_atomic_compare_exchange_weak xp_hip_atomic_compare_exchange_weak
