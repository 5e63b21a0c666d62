// Sums of one or two products of matrices, rounded once.
#pragma once
#include "tiles.h"

// Of a packed panel, which stays in the cache. More floats in one sum err more than torch's.
constexpr long INNER = PER == 2 ? 2048 : 384;

// a: `rows` x `inner`; b: `inner` x `columns`, or transposed. `row` and `stride`: numbers from one row to the next.
struct Term {
    const Number *a, *b;
    long row, inner, stride, transposed;
};

extern "C" void sum_of_products(Parallel parallel, unsigned threads, const Term* terms, long count, long rows,
                                long columns, void* out, long stride, long in_float) {
    const long panels = (columns + PANEL - 1) / PANEL;
    // By columns each panel is packed once; by rows the threads have equal parts where there are few panels.
    const long parts = panels % threads && rows >= 4 * ROWS * threads ? threads : 1;
    const long each_rows = ((rows + parts - 1) / parts + ROWS - 1) / ROWS * ROWS;
    each(parallel, threads, panels * parts, [&](long number) {
        const long column = number / parts * PANEL, top = number % parts * each_rows;
        const long wide_by = std::min<long>(PANEL, columns - column), high = std::min(each_rows, rows - top);
        if (high <= 0) return;
        // What exceeds a block of inner numbers is added up in float32, so that a packed panel stays in the cache.
        long blocks = 0;
        for (int n = 0; n < count; n++) blocks += (terms[n].inner + INNER - 1) / INNER;
        auto panel = buffer<uint32_t>(count * INNER / PER * PANEL);
        auto kept = buffer<float>(blocks > count ? high * PANEL : 1);
        const auto factor = [&](const Term& t, long inner, uint32_t* to) {
            const long size = std::min(INNER, t.inner - inner);
            if (t.transposed)
                pack_columns(t.b + column * t.stride + inner, t.stride, size, wide_by, to);
            else
                pack_rows(t.b + inner * t.stride + column, t.stride, size, wide_by, to);
            return Factor{(const char*)(t.a + top * t.row + inner), t.row * long(sizeof(Number)), 4, steps(size), to};
        };
        const auto put = [&](long row, int block, Lanes sums) {
            const long at = (top + row) * stride + column + block * LANES;
            const Mask m = first(wide_by - block * LANES);
            if (in_float)
                wide_by - block * LANES >= LANES ? store((float*)out + at, sums) : store((float*)out + at, sums, m);
            else
                wide_by - block * LANES >= LANES ? store((Number*)out + at, sums) : store((Number*)out + at, sums, m);
        };
        if (blocks == count) {
            Factor factors[2];
            for (int n = 0; n < count; n++) factors[n] = factor(terms[n], 0, &panel[n * INNER / PER * PANEL]);
            return product(factors, count, high, wide_by, put);
        }
        long block_number = 0;
        for (const Term* t = terms; t < terms + count; t++)
            for (long inner = 0; inner < t->inner; inner += INNER, block_number++) {
                const Factor f = factor(*t, inner, panel.get());
                product(&f, 1, high, wide_by, [&](long row, int block, Lanes sums) {
                    float* at = &kept[row * PANEL + block * LANES];
                    if (block_number) sums = sums + load(at);
                    block_number + 1 < blocks ? store(at, sums) : put(row, block, sums);
                });
            }
    });
}
