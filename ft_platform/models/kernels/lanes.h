// Floats that one instruction computes with: 16 with AVX-512, 8 with AVX2. Operators of C++ work on them too.
#pragma once
#include <immintrin.h>

#include <algorithm>
#include <cstdint>

namespace {

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define KERNELS
using Lanes = __m512;
using Mask = __mmask16;
constexpr int LANES = 16, WIDE = 4;  // lanes of a register, registers of a panel's columns

inline Lanes of(float x) { return _mm512_set1_ps(x); }
inline Lanes load(const float* p) { return _mm512_loadu_ps(p); }
inline Lanes load(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
inline void store(float* p, Lanes x) { _mm512_storeu_ps(p, x); }
inline void store(float* p, Lanes x, Mask m) { _mm512_mask_storeu_ps(p, m, x); }
inline Lanes where(Mask m, Lanes x, Lanes other) { return _mm512_mask_blend_ps(m, other, x); }
inline Lanes fma(Lanes x, Lanes y, Lanes z) { return _mm512_fmadd_ps(x, y, z); }
inline Lanes fms(Lanes x, Lanes y, Lanes z) { return _mm512_fmsub_ps(x, y, z); }
inline Lanes fnma(Lanes x, Lanes y, Lanes z) { return _mm512_fnmadd_ps(x, y, z); }
inline Lanes most(Lanes x, Lanes y) { return _mm512_max_ps(x, y); }  // where one is NaN, y
inline Lanes least(Lanes x, Lanes y) { return _mm512_min_ps(x, y); }
inline float sum(Lanes x) { return _mm512_reduce_add_ps(x); }
inline float largest(Lanes x) { return _mm512_reduce_max_ps(x); }
inline Lanes nearest(Lanes x) { return _mm512_roundscale_ps(x, 0); }
inline Lanes times_power(Lanes x, Lanes n) { return _mm512_scalef_ps(x, n); }  // x 2^n
inline Mask first(long count) { return count >= LANES ? 0xffff : count <= 0 ? 0 : (1u << count) - 1; }
inline Mask between(long from, long to) { return first(to) & ~first(from); }

#elif defined(__AVX2__) && defined(__FMA__)
#define KERNELS
using Lanes = __m256;
struct Mask {
    __m256i lanes;
};
constexpr int LANES = 8, WIDE = 2;

inline Lanes of(float x) { return _mm256_set1_ps(x); }
inline Lanes load(const float* p) { return _mm256_loadu_ps(p); }
inline Lanes load(const float* p, Mask m) { return _mm256_maskload_ps(p, m.lanes); }
inline void store(float* p, Lanes x) { _mm256_storeu_ps(p, x); }
inline void store(float* p, Lanes x, Mask m) { _mm256_maskstore_ps(p, m.lanes, x); }
inline Lanes where(Mask m, Lanes x, Lanes other) { return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(m.lanes)); }
inline Lanes fma(Lanes x, Lanes y, Lanes z) { return _mm256_fmadd_ps(x, y, z); }
inline Lanes fms(Lanes x, Lanes y, Lanes z) { return _mm256_fmsub_ps(x, y, z); }
inline Lanes fnma(Lanes x, Lanes y, Lanes z) { return _mm256_fnmadd_ps(x, y, z); }
inline Lanes most(Lanes x, Lanes y) { return _mm256_max_ps(x, y); }
inline Lanes least(Lanes x, Lanes y) { return _mm256_min_ps(x, y); }
inline float sum(Lanes x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
inline float largest(Lanes x) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}
inline Lanes nearest(Lanes x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline Lanes times_power(Lanes x, Lanes n) {  // in two factors: 2^n alone may be too small for a float
    const __m256i all = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(all, 1), bias = _mm256_set1_epi32(127);
    const auto power = [&](__m256i k) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k, bias), 23)); };
    return x * power(half) * power(_mm256_sub_epi32(all, half));
}
inline Mask between(long from, long to) {
    const auto all = [](long x) { return _mm256_set1_epi32(int(std::clamp(x, -1L, long(LANES)))); };
    const __m256i n = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return {_mm256_andnot_si256(_mm256_cmpgt_epi32(all(from), n), _mm256_cmpgt_epi32(all(to), n))};
}
inline Mask first(long count) { return between(0, count); }
#endif

#ifdef KERNELS
struct All {};  // lanes; masked stores are slow on some processors
inline Lanes load(const float* p, All) { return load(p); }
inline void store(float* p, Lanes x, All) { store(p, x); }
inline Lanes where(All, Lanes x, Lanes) { return x; }
inline Lanes load_or(float other, const float* p, All) { return load(p); }
inline Lanes load_or(float other, const float* p, Mask m) { return where(m, load(p, m), of(other)); }

inline Lanes exponential(Lanes x) {  // up to 88; relative error below 2e-7 (Cephes' expf). Of two, NaN wins
    x = most(of(-104.0f), x);
    const Lanes n = nearest(x * of(1.44269504f));
    Lanes r = fnma(n, of(0.693359375f), x);
    r = fnma(n, of(-2.12194440e-4f), r);
    Lanes p = of(1.9875691500e-4f);
    for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        p = fma(p, r, of(c));
    return times_power(fma(p, r * r, r) + of(1.0f), n);
}

// Calls `work` with the place of each lanes of a row, and which of them there are.
template <class Work>
inline void lanes(long width, const Work& work) {
    long n = 0;
    for (; n + LANES <= width; n += LANES) work(n, All());
    if (n < width) work(n, first(width - n));
}
#endif

}  // namespace
