// Products of bfloat16 tiles that add up in float32, and what kernels share. Sums have a fixed order and nothing is
// contracted by the compiler, so results depend neither on threads nor on the compiler.
#pragma once
#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

using Bf16 = uint16_t;
using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);  // GOMP_parallel of torch's own OpenMP

constexpr int LANES = 16, WIDE = 4, PANEL = LANES * WIDE;  // columns of a panel
constexpr int ROWS = 6;                                    // rows of a tile: 24 of 32 registers hold sums

struct Free {
    void operator()(void* p) const { std::free(p); }
};
template <class T>
using Buffer = std::unique_ptr<T[], Free>;

template <class T>
Buffer<T> buffer(size_t count) {
    auto* p = static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) + 127) / 64 * 64));
    if (!p) throw std::bad_alloc();  // nobody catches it: the process ends and says why
    return Buffer<T>(p);
}

inline float wide(Bf16 x) {
    uint32_t bits = uint32_t(x) << 16;
    float value;
    __builtin_memcpy(&value, &bits, 4);
    return value;
}
inline __m512 wide(__m256i x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }
inline __m512 load(const Bf16* p) { return wide(_mm256_loadu_si256((const __m256i*)p)); }
inline __m512 load(const Bf16* p, __mmask16 m) { return wide(_mm256_maskz_loadu_epi16(m, p)); }
inline __m256i narrow(__m512 x) { return (__m256i)_mm512_cvtneps_pbh(x); }
inline void store(Bf16* p, __m512 x) { _mm256_storeu_si256((__m256i*)p, narrow(x)); }
inline void store(Bf16* p, __m512 x, __mmask16 m) { _mm256_mask_storeu_epi16(p, m, narrow(x)); }
struct All {};  // lanes; masked stores are slow on some processors
inline __m512 load(const Bf16* p, All) { return load(p); }
inline void store(Bf16* p, __m512 x, All) { store(p, x); }
inline __m512 load_or(float, const float* p, All) { return _mm512_loadu_ps(p); }
inline __m512 load_or(float other, const float* p, __mmask16 m) {
    return _mm512_mask_loadu_ps(_mm512_set1_ps(other), m, p);
}
inline void store(float* p, __m512 x) { _mm512_storeu_ps(p, x); }
inline void store(float* p, __m512 x, __mmask16 m) { _mm512_mask_storeu_ps(p, m, x); }
inline __mmask16 first(long count) { return count >= LANES ? 0xffff : count <= 0 ? 0 : (1u << count) - 1; }
inline __mmask32 first32(long count) { return count >= 32 ? ~0u : count <= 0 ? 0 : (1u << count) - 1; }

inline __m512 exponential(__m512 x) {  // up to 88; relative error below 2e-7 (Cephes' expf). Of two, NaN wins
    x = _mm512_max_ps(_mm512_set1_ps(-104.0f), x);
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.9875691500e-4f);
    for (float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c));
    p = _mm512_add_ps(_mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r), _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, n);
}

// Calls `work` with the place of each 16 numbers of a row, and which of them there are.
template <class Work>
inline void lanes(long width, const Work& work) {
    long n = 0;
    for (; n + LANES <= width; n += LANES) work(n, All());
    if (n < width) work(n, first(width - n));
}

// Takes 0, 1, ... until `count` and calls `work` with each, in all threads; which thread takes which changes nothing.
template <class Work>
void each(Parallel parallel, unsigned threads, long count, const Work& work) {
    struct Shared {
        const Work* work;
        std::atomic<long> next{0};
        long count;
    } shared{&work, {0}, count};
    auto run = [](void* p) {
        auto& s = *static_cast<Shared*>(p);
        for (long n; (n = s.next.fetch_add(1)) < s.count;) (*s.work)(n);
    };
    if (threads > 1 && count > 1)
        parallel(run, &shared, threads, 0);
    else
        run(&shared);
}

// Packs `inner` x `columns` of a matrix for `tile`: pairs of inner numbers side by side, 64 columns in a panel of
// (inner + 1) / 2 * 64 pairs. What is missing is 0.
inline void pack_rows(const Bf16* b, long stride, long inner, long columns, uint32_t* panel) {  // b[inner][column]
    alignas(64) uint16_t low[32], high[32];
    for (int i = 0; i < 16; i++)
        low[2 * i] = i, low[2 * i + 1] = 32 + i, high[2 * i] = 16 + i, high[2 * i + 1] = 48 + i;
    const __m512i lows = _mm512_load_si512(low), highs = _mm512_load_si512(high);
    for (long k = 0; k < inner; k += 2)
        for (int half = 0; half < 2; half++, panel += 32) {
            const __mmask32 m = first32(columns - 32 * half);
            const __m512i one = _mm512_maskz_loadu_epi16(m, b + k * stride + 32 * half);
            const __m512i two =
                k + 1 < inner ? _mm512_maskz_loadu_epi16(m, b + (k + 1) * stride + 32 * half) : _mm512_setzero_si512();
            _mm512_store_si512(panel, _mm512_permutex2var_epi16(one, lows, two));
            _mm512_store_si512(panel + 16, _mm512_permutex2var_epi16(one, highs, two));
        }
}

inline void transpose(__m512i (&r)[16]) {  // 16 x 16 numbers of 32 bits
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm512_unpacklo_epi64(t[i + j], t[i + j + 2]);
            r[i + 2 * j + 1] = _mm512_unpackhi_epi64(t[i + j], t[i + j + 2]);
        }
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}

inline void pack_columns(const Bf16* b, long stride, long inner, long columns, uint32_t* panel) {  // b[column][inner]
    for (long k = 0; k < inner; k += 32)
        for (int block = 0; block < WIDE; block++) {
            __m512i r[16];
            for (int n = 0; n < 16; n++)
                r[n] = block * 16 + n < columns
                           ? _mm512_maskz_loadu_epi16(first32(inner - k), b + (block * 16 + n) * stride + k)
                           : _mm512_setzero_si512();
            transpose(r);
            for (int pair = 0; pair < 16 && k + 2 * pair < inner; pair++)
                _mm512_store_si512(panel + (k / 2 + pair) * PANEL + block * 16, r[pair]);
        }
}

// One factor of a product: pairs of inner numbers, `row` and `pair` apart in bytes, and the packed panel it meets.
struct Factor {
    const char* a;
    long row, pair, pairs;
    const uint32_t* panel;
};

// `MR` rows of `NV` blocks of sums of some factors, from a row on. Unrolled by name: gcc keeps the sums in registers
// only then, which is three times as fast.
template <int MR, int NV>
void tile(const Factor* factors, int count, long row, float* to) {
    __m512 sums[MR][NV];
#pragma GCC unroll 16
    for (int m = 0; m < MR; m++)
#pragma GCC unroll 16
        for (int n = 0; n < NV; n++) sums[m][n] = _mm512_setzero_ps();
    for (const Factor* f = factors; f < factors + count; f++) {
        const char* a = f->a + row * f->row;
        const uint32_t* b = f->panel;
        const long next_row = f->row, next_pair = f->pair;
        for (const uint32_t* end = b + f->pairs * PANEL; b < end; a += next_pair, b += PANEL) {
            __m512bh columns[NV];
#pragma GCC unroll 16
            for (int n = 0; n < NV; n++) columns[n] = (__m512bh)_mm512_load_si512(b + n * LANES);
#pragma GCC unroll 16
            for (int m = 0; m < MR; m++) {
                const __m512bh x = (__m512bh)_mm512_set1_epi32(*(const int*)(a + m * next_row));
#pragma GCC unroll 16
                for (int n = 0; n < NV; n++) sums[m][n] = _mm512_dpbf16_ps(sums[m][n], x, columns[n]);
            }
        }
    }
#pragma GCC unroll 16
    for (int m = 0; m < MR; m++)
#pragma GCC unroll 16
        for (int n = 0; n < NV; n++) _mm512_store_ps(to + m * PANEL + n * LANES, sums[m][n]);
}

using Tile = void (*)(const Factor*, int, long, float*);
template <int NV>
struct Tiles {
    static constexpr int MOST = NV < 3 ? 2 * ROWS : ROWS;
    static constexpr Tile BY_ROWS[] = {tile<1, NV>, tile<2, NV>, tile<3, NV>,   tile<4, NV>,
                                       tile<5, NV>, tile<6, NV>, tile<MOST, NV>};
};

// Sums of some factors, `rows` x `columns` (at most 64), block by block to `take(row, block, sums)`.
template <class Take>
inline void product(const Factor* factors, int count, long rows, long columns, const Take& take) {
    constexpr const Tile* BY_BLOCKS[] = {Tiles<1>::BY_ROWS, Tiles<2>::BY_ROWS, Tiles<3>::BY_ROWS, Tiles<4>::BY_ROWS};
    const int blocks = (columns + LANES - 1) / LANES, most = blocks < 3 ? 2 * ROWS : ROWS;
    alignas(64) float sums[2 * ROWS * PANEL];
    for (long row = 0; row < rows;) {
        const int some = rows - row >= most ? most : std::min<long>(rows - row, ROWS);
        BY_BLOCKS[blocks - 1][some > ROWS ? ROWS : some - 1](factors, count, row, sums);
        for (int m = 0; m < some; m++, row++)
            for (int n = 0; n < blocks; n++) take(row, n, _mm512_load_ps(sums + m * PANEL + n * LANES));
    }
}
