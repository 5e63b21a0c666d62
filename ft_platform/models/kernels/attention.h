// Attention of rows that lie one after the other, each behind a prefix that all of them see, forward and backward.
// Weights are never kept: the backward pass makes them again from the logarithm of their sum (Dao et al.,
// arXiv:2205.14135). One row and one head of the keys is one piece of work, and nothing is added between pieces but the
// gradients of the prefix, in the order of the rows.
#pragma once
#include <cmath>
#include <cstring>

#include "tiles.h"

constexpr long FORWARD_ROWS = 48, BACKWARD_ROWS = 96;  // queries at once, times the heads that share their keys
constexpr long KEYS = 256;                             // keys at once backward: all of a block stays in 1 MB of cache

struct Heads {  // `dim` numbers of a head lie side by side
    Number* data;
    long token, head;
    Number* at(long t, long h) const { return data + t * token + h * head; }
};

struct Attention {
    Heads q, k, v, out, of_out, of_q, of_k, of_v;
    float* log_sums;  // (tokens, heads)
    const int64_t* starts;
    const int64_t* lengths;
    long rows, prefix, kv_heads, group, dim, window;  // window 0: all keys
    float scale;
};

namespace {

long up(long x, long to) { return (x + to - 1) / to * to; }

// One row behind the prefix and one head of its keys.
struct Piece {
    const Attention& a;
    long kv, start, length, prefix, keys, panels;  // panels: of a head's numbers

    Piece(const Attention& a, long row, long kv)  // row -1: the prefix itself
        : a(a),
          kv(kv),
          start(row < 0 ? 0 : a.starts[row]),
          length(row < 0 ? a.prefix : a.lengths[row]),
          prefix(row < 0 ? 0 : a.prefix),
          keys(prefix + length),
          panels((a.dim + PANEL - 1) / PANEL) {}

    long token(long key) const { return key < prefix ? key : start + key - prefix; }
    long end_of(long query) const { return prefix + query + 1; }
    long begin_of(long query) const { return a.window ? std::max(end_of(query) - a.window, 0L) : 0; }
    long wide(long panel) const { return std::min<long>(PANEL, a.dim - panel * PANEL); }

    Buffer<Number> of_keys(const Heads& x) const {
        auto all = buffer<Number>(keys * a.dim);
        for (long j = 0; j < keys; j++) std::memcpy(&all[j * a.dim], x.at(token(j), kv), a.dim * sizeof(Number));
        return all;
    }
    // Rows `query * group + head`.
    void of_queries(const Heads& x, long first, long last, Number* to) const {
        for (long i = first; i < last; i++)
            for (long g = 0; g < a.group; g++, to += a.dim)
                std::memcpy(to, x.at(start + i, kv * a.group + g), a.dim * sizeof(Number));
    }
    float& log_sum(long query, long g) const { return a.log_sums[((start + query) * a.kv_heads + kv) * a.group + g]; }
};

// Scores of rows with the keys from `begin` to `end`, both counted from the first of the packed panels.
void scores(const Number* rows, long count, long dim, const uint32_t* panels, long begin, long end, float* to,
            long stride) {
    for (long j = begin / PANEL * PANEL; j < end; j += PANEL) {
        const Factor f{(const char*)rows, dim * long(sizeof(Number)), 4, dim / PER, panels + j * dim / PER};
        product(&f, 1, count, std::min<long>(PANEL, end - j), [&](long row, int block, Lanes sums) {
            store(to + row * stride + j + block * LANES, sums);
        });
    }
}

void forward(const Piece& p) {
    const Attention& a = p.a;
    const long dim = a.dim, queries = std::max(FORWARD_ROWS / a.group, 1L), most = queries * a.group;
    const long stride = up(p.keys, PANEL) + LANES, pairs = steps(p.keys);
    const auto k = p.of_keys(a.k), v = p.of_keys(a.v);
    auto key_panels = buffer<uint32_t>(up(p.keys, PANEL) * dim / PER),
         value_panels = buffer<uint32_t>(p.panels * pairs * PANEL);
    for (long j = 0; j < p.keys; j += PANEL)
        pack_columns(&k[j * dim], dim, dim, std::min<long>(PANEL, p.keys - j), &key_panels[j * dim / PER]);
    for (long d = 0; d < p.panels; d++)
        pack_rows(&v[d * PANEL], dim, p.keys, p.wide(d), &value_panels[d * pairs * PANEL]);
    auto q = buffer<Number>(most * dim), weights = buffer<Number>(most * stride);
    auto score = buffer<float>(most * stride), factors = buffer<float>(most);
    for (long i = 0; i < p.length; i += queries) {
        const long last = std::min(i + queries, p.length), rows = (last - i) * a.group;
        const long begin = p.begin_of(i) / PANEL * PANEL, end = p.end_of(last - 1);
        p.of_queries(a.q, i, last, q.get());
        scores(q.get(), rows, dim, key_panels.get(), begin, end, score.get(), stride);
        for (long r = 0; r < rows; r++) {
            const long query = i + r / a.group, from = p.begin_of(query), to = p.end_of(query);
            float* s = &score[r * stride];
            Number* w = &weights[r * stride];
            const auto seen = [&](long j) { return between(from - j, to - j); };
            Lanes largest_seen = of(-INFINITY), sums = of(0);
            for (long j = from / LANES * LANES; j < to; j += LANES)
                largest_seen = where(seen(j), ::most(load(s + j), largest_seen), largest_seen);
            const float top = largest(largest_seen) * a.scale;
            for (long j = begin; j < up(end, PER); j += LANES) {
                const Lanes x = fms(load(s + j), of(a.scale), of(top));
                const Lanes e = where(seen(j), exponential(x), of(0));
                sums = sums + e;
                store(w + j, e);
            }
            const float all = sum(sums);
            factors[r] = 1.0f / all;
            p.log_sum(query, r % a.group) = top + std::log(all);
        }
        for (long d = 0; d < p.panels; d++) {
            const Factor f{(const char*)&weights[begin], stride * long(sizeof(Number)), 4, steps(end - begin),
                           &value_panels[(d * pairs + begin / PER) * PANEL]};
            product(&f, 1, rows, p.wide(d), [&](long r, int block, Lanes sums) {
                Number* to =
                    a.out.at(p.start + i + r / a.group, p.kv * a.group + r % a.group) + d * PANEL + block * LANES;
                store(to, sums * of(factors[r]));
            });
        }
    }
}

// What a block of queries needs backward; the second dimension of all is keys or the numbers of a head.
struct Block {
    Buffer<Number> q, of_out, of_scores;
    Buffer<uint32_t> q_panels, out_panels, weight_steps, score_steps;
    Buffer<float> score, of_weights;

    Block(long rows, long dim, long panels)
        : q(buffer<Number>(rows * dim)),
          of_out(buffer<Number>(rows * dim)),
          of_scores(buffer<Number>(rows * KEYS)),
          q_panels(buffer<uint32_t>(panels * steps(rows) * PANEL)),
          out_panels(buffer<uint32_t>(panels * steps(rows) * PANEL)),
          weight_steps(buffer<uint32_t>(steps(rows) * KEYS)),
          score_steps(buffer<uint32_t>(steps(rows) * KEYS)),
          score(buffer<float>(rows * KEYS)),
          of_weights(buffer<float>(rows * KEYS)) {}
};

#ifdef NUMBER_BFLOAT16
void put_step(uint32_t* p, const Narrow (&rows)[PER]) {
    const __m512i low = _mm512_cvtepu16_epi32(rows[0]), high = _mm512_cvtepu16_epi32(rows[1]);
    _mm512_storeu_si512(p, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
}
#else
void put_step(uint32_t* p, const Narrow (&rows)[PER]) { store((float*)p, rows[0]); }
#endif

// Weights and gradients of scores from scores and gradients of weights, for queries from `i` on and keys from `j` on.
void weigh(const Piece& p, Block& b, const float* along, long i, long rows, long j, long end) {
    const Attention& a = p.a;
    const Lanes scale = of(a.scale);
    for (long r = 0; r < rows; r += PER)
        for (long n = 0; n < end - j; n += LANES) {
            Narrow weights[PER], of_scores[PER];
            for (int one = 0; one < PER; one++) {
                const long row = r + one, query = i + row / a.group;
                weights[one] = of_scores[one] = NOTHING;
                if (row >= rows) continue;
                const Mask seen = between(p.begin_of(query) - j - n, p.end_of(query) - j - n);
                const Lanes log_sum = of(p.log_sum(query, row % a.group));
                const Lanes x = fms(load(&b.score[row * KEYS + n]), scale, log_sum);
                const Lanes w = where(seen, exponential(x), of(0));
                const Lanes d = load(&b.of_weights[row * KEYS + n]) - of(along[query * a.group + row % a.group]);
                weights[one] = narrow(w);
                of_scores[one] = narrow(where(seen, w * d * scale, of(0)));
                put(&b.of_scores[row * KEYS + n], of_scores[one]);
            }
            put_step(&b.weight_steps[r / PER * KEYS + n], weights);
            put_step(&b.score_steps[r / PER * KEYS + n], of_scores);
        }
}

void add_product(const Factor& f, long rows, long columns, float* to, long stride) {
    product(&f, 1, rows, columns, [&](long row, int block, Lanes sums) {
        float* at = to + row * stride + block * LANES;
        store(at, load(at) + sums);
    });
}

// `of_k` and `of_v` of all keys, shape (keys, dim), are added to.
void backward(const Piece& p, float* of_k, float* of_v) {
    const Attention& a = p.a;
    const long dim = a.dim, queries = std::max(BACKWARD_ROWS / a.group, 1L), most = queries * a.group;
    const auto k = p.of_keys(a.k), v = p.of_keys(a.v);
    auto of_q = buffer<float>(p.length * a.group * dim), along = buffer<float>(p.length * a.group);
    std::memset(of_q.get(), 0, p.length * a.group * dim * sizeof(float));
    for (long r = 0; r < p.length * a.group; r++) {
        const long token = p.start + r / a.group, head = p.kv * a.group + r % a.group;
        Lanes sums = of(0);
        for (long d = 0; d < dim; d += LANES)
            sums = fma(load(a.out.at(token, head) + d), load(a.of_out.at(token, head) + d), sums);
        along[r] = sum(sums);
    }
    Block b(most, dim, p.panels);
    auto key_panels = buffer<uint32_t>(KEYS * dim / PER), value_panels = buffer<uint32_t>(KEYS * dim / PER),
         key_rows = buffer<uint32_t>(p.panels * KEYS / PER * PANEL);
    for (long j = 0; j < p.keys; j += KEYS) {
        const long stop = std::min(j + KEYS, p.keys);
        for (long n = j; n < stop; n += PANEL) {
            const long columns = std::min<long>(PANEL, stop - n);
            pack_columns(&k[n * dim], dim, dim, columns, &key_panels[(n - j) * dim / PER]);
            pack_columns(&v[n * dim], dim, dim, columns, &value_panels[(n - j) * dim / PER]);
        }
        for (long d = 0; d < p.panels; d++)
            pack_rows(&k[j * dim + d * PANEL], dim, stop - j, p.wide(d), &key_rows[d * KEYS / PER * PANEL]);
        for (long i = std::max(j - p.prefix, 0L) / queries * queries; i < p.length; i += queries) {
            if (p.begin_of(i) >= stop) break;
            const long last = std::min(i + queries, p.length), rows = (last - i) * a.group, pairs = steps(rows);
            const long end = std::min(stop, p.end_of(last - 1)), seen = end - j;
            p.of_queries(a.q, i, last, b.q.get());
            p.of_queries(a.of_out, i, last, b.of_out.get());
            scores(b.q.get(), rows, dim, key_panels.get(), 0, seen, b.score.get(), KEYS);
            scores(b.of_out.get(), rows, dim, value_panels.get(), 0, seen, b.of_weights.get(), KEYS);
            weigh(p, b, along.get(), i, rows, j, end);
            for (long d = 0; d < p.panels; d++) {
                const long wide = p.wide(d), at = d * PANEL;
                uint32_t *q_rows = &b.q_panels[d * pairs * PANEL], *out_rows = &b.out_panels[d * pairs * PANEL];
                pack_rows(&b.q[at], dim, rows, wide, q_rows);
                pack_rows(&b.of_out[at], dim, rows, wide, out_rows);
                const Factor of_queries{(const char*)b.of_scores.get(), KEYS * long(sizeof(Number)), 4, steps(seen),
                                        &key_rows[d * KEYS / PER * PANEL]};
                add_product(of_queries, rows, wide, &of_q[i * a.group * dim + at], dim);
                const Factor of_keys{(const char*)b.score_steps.get(), 4, KEYS * 4, pairs, q_rows};
                add_product(of_keys, seen, wide, of_k + j * dim + at, dim);
                const Factor of_values{(const char*)b.weight_steps.get(), 4, KEYS * 4, pairs, out_rows};
                add_product(of_values, seen, wide, of_v + j * dim + at, dim);
            }
        }
    }
    for (long r = 0; r < p.length * a.group; r++)
        for (long d = 0; d < dim; d += LANES)
            store(a.of_q.at(p.start + r / a.group, p.kv * a.group + r % a.group) + d,
                  load(&of_q[r * dim + d]));
    for (long j = p.prefix; j < p.keys; j++)
        for (long d = 0; d < dim; d += LANES) {
            store(a.of_k.at(p.token(j), p.kv) + d, load(of_k + j * dim + d));
            store(a.of_v.at(p.token(j), p.kv) + d, load(of_v + j * dim + d));
        }
}

}  // namespace

extern "C" void attention_forward(Parallel parallel, unsigned threads, const Attention* a) {
    const long first_row = a->prefix ? -1 : 0;
    each(parallel, threads, (a->rows - first_row) * a->kv_heads,
         [&](long number) { forward(Piece(*a, number / a->kv_heads + first_row, number % a->kv_heads)); });
}

extern "C" void attention_backward(Parallel parallel, unsigned threads, const Attention* a) {
    const long shared = a->prefix * a->dim;
    auto parts = buffer<float>(2 * a->rows * a->kv_heads * shared);
    const auto part = [&](long row, long kv, long side) {
        return &parts[((row * a->kv_heads + kv) * 2 + side) * shared];
    };
    each(parallel, threads, a->rows * a->kv_heads, [&](long number) {
        const Piece p(*a, number / a->kv_heads, number % a->kv_heads);
        auto of_keys = buffer<float>(2 * p.keys * a->dim);
        float *of_k = of_keys.get(), *of_v = of_k + p.keys * a->dim;
        std::memset(of_k, 0, 2 * p.keys * a->dim * sizeof(float));
        backward(p, of_k, of_v);
        if (shared) {
            std::memcpy(part(number / a->kv_heads, p.kv, 0), of_k, shared * sizeof(float));
            std::memcpy(part(number / a->kv_heads, p.kv, 1), of_v, shared * sizeof(float));
        }
    });
    if (!shared) return;
    each(parallel, threads, a->kv_heads, [&](long kv) {
        for (long side = 0; side < 2; side++)
            for (long row = 1; row < a->rows; row++)
                for (long n = 0; n < shared; n++) part(0, kv, side)[n] += part(row, kv, side)[n];
        backward(Piece(*a, -1, kv), part(0, kv, 0), part(0, kv, 1));
    });
}
