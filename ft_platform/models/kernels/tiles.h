// Products of tiles that add up in float32, and what kernels share. Sums have a fixed order and nothing is contracted by
// the compiler, so results depend neither on threads nor on the compiler. `Number` is what tensors hold: bfloat16 where
// NUMBER_BFLOAT16 is defined, else float.
#pragma once
#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>

#include "lanes.h"

using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);  // GOMP_parallel of torch's own OpenMP

namespace {  // or libraries for two kinds of numbers would share what has the same name

constexpr int PANEL = LANES * WIDE;  // columns of a panel
constexpr int ROWS = 6;              // rows of a tile: 24 of 32 registers hold sums, or 12 of 16

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

// Numbers are added up in steps of PER, side by side in 32 bits.
#ifdef NUMBER_BFLOAT16
using Number = uint16_t;
using Narrow = __m256i;  // as many numbers as there are lanes
constexpr int PER = 2;
inline Lanes wide(Narrow x) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16)); }
inline Narrow narrow(Lanes x) { return (Narrow)_mm512_cvtneps_pbh(x); }
inline void put(Number* p, Narrow x) { _mm256_storeu_si256((__m256i*)p, x); }
inline Lanes load(const Number* p) { return wide(_mm256_loadu_si256((const __m256i*)p)); }
inline Lanes load(const Number* p, Mask m) { return wide(_mm256_maskz_loadu_epi16(m, p)); }
inline void store(Number* p, Lanes x) { put(p, narrow(x)); }
inline void store(Number* p, Lanes x, Mask m) { _mm256_mask_storeu_epi16(p, m, narrow(x)); }
inline Lanes load(const Number* p, All) { return load(p); }
inline void store(Number* p, Lanes x, All) { store(p, x); }
inline __mmask32 first32(long count) { return count >= 32 ? ~0u : count <= 0 ? 0 : (1u << count) - 1; }
#else
using Number = float;
using Narrow = Lanes;
constexpr int PER = 1;
inline Lanes wide(Narrow x) { return x; }
inline Narrow narrow(Lanes x) { return x; }
inline void put(Number* p, Narrow x) { store(p, x); }
#endif
constexpr Narrow NOTHING{};
inline Lanes rounded(Lanes x) { return wide(narrow(x)); }
inline long steps(long numbers) { return (numbers + PER - 1) / PER; }

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

// Packs `inner` x `columns` of a matrix for `tile`: PANEL columns of a step side by side. What is missing is 0.
#ifdef NUMBER_BFLOAT16
inline void pack_rows(const Number* b, long stride, long inner, long columns, uint32_t* panel) {  // b[inner][column]
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
inline Lanes load_steps(const Number* p, long count) {  // of 32 numbers those there are
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(first32(count), p));
}
#else
inline void pack_rows(const Number* b, long stride, long inner, long columns, uint32_t* panel) {
    for (long k = 0; k < inner; k++, panel += PANEL)
        for (int n = 0; n < PANEL; n += LANES)
            store((float*)panel + n, load(b + k * stride + n, first(columns - n)));
}
inline Lanes load_steps(const Number* p, long count) { return load(p, first(count)); }
#endif

#ifdef __AVX512F__
inline void transpose(Lanes (&rows)[LANES]) {  // LANES x LANES numbers of 32 bits
    __m512i r[16], t[16];
    for (int i = 0; i < 16; i++) r[i] = _mm512_castps_si512(rows[i]);
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
    for (int i = 0; i < 16; i++) rows[i] = _mm512_castsi512_ps(r[i]);
}
#else
inline void transpose(Lanes (&r)[LANES]) {
    Lanes t[8];
    for (int i = 0; i < 8; i += 2) t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]), t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            r[i + 2 * j] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0x44);
            r[i + 2 * j + 1] = _mm256_shuffle_ps(t[i + j], t[i + j + 2], 0xee);
        }
    for (int i = 0; i < 4; i++) t[i] = r[i], t[i + 4] = r[i + 4];
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
}
#endif

inline void pack_columns(const Number* b, long stride, long inner, long columns, uint32_t* panel) {  // b[column][inner]
    for (long k = 0; k < inner; k += LANES * PER)
        for (int n = 0; n < PANEL; n += LANES) {
            Lanes r[LANES];
            for (int column = 0; column < LANES; column++)
                r[column] = n + column < columns ? load_steps(b + (n + column) * stride + k, inner - k) : of(0);
            transpose(r);
            for (int step = 0; step < LANES && k + step * PER < inner; step++)
                store((float*)panel + (k / PER + step) * PANEL + n, r[step]);
        }
}

// One factor of a product: `steps` of inner numbers, `row` and `step` apart in bytes, and the packed panel it meets.
struct Factor {
    const char* a;
    long row, step, steps;
    const uint32_t* panel;
};

#ifdef NUMBER_BFLOAT16
using Step = __m512bh;
inline Step step_of(const void* p) { return (Step)_mm512_set1_epi32(*(const int*)p); }
inline Step columns_of(const uint32_t* p) { return (Step)_mm512_load_si512(p); }
inline Lanes add_step(Lanes sums, Step x, Step columns) { return _mm512_dpbf16_ps(sums, x, columns); }
#else
using Step = Lanes;
inline Step step_of(const void* p) { return of(*(const float*)p); }
inline Step columns_of(const uint32_t* p) { return load((const float*)p); }
inline Lanes add_step(Lanes sums, Step x, Step columns) { return fma(x, columns, sums); }
#endif

// `MR` rows of `NV` registers of sums of some factors, from a row on. Unrolled by name: gcc keeps the sums in registers
// only then, which is three times as fast.
template <int MR, int NV>
void tile(const Factor* factors, int count, long row, float* to) {
    Lanes sums[MR][NV];
#pragma GCC unroll 16
    for (int m = 0; m < MR; m++)
#pragma GCC unroll 16
        for (int n = 0; n < NV; n++) sums[m][n] = of(0);
    for (const Factor* f = factors; f < factors + count; f++) {
        const char* a = f->a + row * f->row;
        const uint32_t* b = f->panel;
        const long next_row = f->row, next_step = f->step;
        for (const uint32_t* end = b + f->steps * PANEL; b < end; a += next_step, b += PANEL) {
            Step columns[NV];
#pragma GCC unroll 16
            for (int n = 0; n < NV; n++) columns[n] = columns_of(b + n * LANES);
#pragma GCC unroll 16
            for (int m = 0; m < MR; m++) {
                const Step x = step_of(a + m * next_row);
#pragma GCC unroll 16
                for (int n = 0; n < NV; n++) sums[m][n] = add_step(sums[m][n], x, columns[n]);
            }
        }
    }
#pragma GCC unroll 16
    for (int m = 0; m < MR; m++)
#pragma GCC unroll 16
        for (int n = 0; n < NV; n++) store(to + m * PANEL + n * LANES, sums[m][n]);
}

using Tile = void (*)(const Factor*, int, long, float*);
template <int NV>
struct Tiles {
    static constexpr int MOST = 2 * NV <= WIDE ? 2 * ROWS : ROWS;
    static constexpr Tile BY_ROWS[] = {tile<1, NV>, tile<2, NV>, tile<3, NV>,   tile<4, NV>,
                                       tile<5, NV>, tile<6, NV>, tile<MOST, NV>};
};

// Sums of some factors, `rows` x `columns` (at most PANEL), block by block to `take(row, block, sums)`.
template <class Take>
inline void product(const Factor* factors, int count, long rows, long columns, const Take& take) {
    static constexpr const Tile* BY_BLOCKS[] = {Tiles<1>::BY_ROWS, Tiles<2>::BY_ROWS, Tiles<std::min(3, WIDE)>::BY_ROWS,
                                                Tiles<WIDE>::BY_ROWS};
    const int blocks = (columns + LANES - 1) / LANES, most = 2 * blocks <= WIDE ? 2 * ROWS : ROWS;
    alignas(64) float sums[2 * ROWS * PANEL];
    for (long row = 0; row < rows;) {
        const int some = rows - row >= most ? most : std::min<long>(rows - row, ROWS);
        BY_BLOCKS[blocks - 1][some > ROWS ? ROWS : some - 1](factors, count, row, sums);
        for (int m = 0; m < some; m++, row++)
            for (int n = 0; n < blocks; n++) take(row, n, load(sums + m * PANEL + n * LANES));
    }
}

}  // namespace
