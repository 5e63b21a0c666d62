// Norms, gated activations, rotations and the loss, each in one pass over the numbers and rounded where the plain code
// rounds.
#pragma once
#include <cmath>

#include "tiles.h"

constexpr long AT_ONCE = 32;  // rows that a thread takes at a time

template <class Work>
static void each_row(Parallel parallel, unsigned threads, long rows, const Work& work) {
    each(parallel, threads, (rows + AT_ONCE - 1) / AT_ONCE, [&](long number) {
        for (long row = number * AT_ONCE; row < std::min(rows, (number + 1) * AT_ONCE); row++) work(row);
    });
}

static inline __m512 rounded(__m512 x) { return wide(narrow(x)); }
static inline __m512 of(float x) { return _mm512_set1_ps(x); }

// x / rms(x) * scale; `inverse`: 1 / rms of each row.
extern "C" void norm_forward(Parallel parallel, unsigned threads, const Bf16* x, const Bf16* scale, Bf16* out,
                             float* inverse, long rows, long width, float eps) {
    each_row(parallel, threads, rows, [&](long row) {
        const Bf16* from = x + row * width;
        __m512 squares = of(0);
        lanes(width, [&](long n, auto m) {
            const __m512 v = load(from + n, m);
            squares = _mm512_fmadd_ps(v, v, squares);
        });
        const float by = inverse[row] = 1.0f / std::sqrt(_mm512_reduce_add_ps(squares) / width + eps);
        lanes(width, [&](long n, auto m) {
            const __m512 normal = rounded(_mm512_mul_ps(load(from + n, m), of(by)));
            store(out + row * width + n, _mm512_mul_ps(normal, load(scale + n, m)), m);
        });
    });
}

extern "C" void norm_backward(Parallel parallel, unsigned threads, const Bf16* of_out, const Bf16* x, const Bf16* scale,
                              const float* inverse, Bf16* of_x, long rows, long width) {
    each_row(parallel, threads, rows, [&](long row) {
        const Bf16 *from = x + row * width, *gradient = of_out + row * width;
        const __m512 by = of(inverse[row]);
        __m512 sums = of(0);
        lanes(width, [&](long n, auto m) {
            const __m512 scaled = rounded(_mm512_mul_ps(load(gradient + n, m), load(scale + n, m)));
            sums = _mm512_fmadd_ps(scaled, _mm512_mul_ps(load(from + n, m), by), sums);
        });
        const __m512 along = of(_mm512_reduce_add_ps(sums) / width);
        lanes(width, [&](long n, auto m) {
            const __m512 scaled = rounded(_mm512_mul_ps(load(gradient + n, m), load(scale + n, m)));
            const __m512 rest = _mm512_fnmadd_ps(_mm512_mul_ps(load(from + n, m), by), along, scaled);
            store(of_x + row * width + n, _mm512_mul_ps(rest, by), m);
        });
    });
}

static inline __m512 sigmoid(__m512 x) {
    const __m512 e = exponential(_mm512_min_ps(of(88), _mm512_sub_ps(of(0), x)));
    return _mm512_div_ps(of(1), _mm512_add_ps(of(1), e));
}

// silu(gate) * up
extern "C" void gated_forward(Parallel parallel, unsigned threads, const Bf16* gate, const Bf16* up, Bf16* out,
                              long rows, long width) {
    each_row(parallel, threads, rows, [&](long row) {
        lanes(width, [&, first = row * width](long n, auto m) {
            n += first;
            const __m512 x = load(gate + n, m);
            store(out + n, _mm512_mul_ps(rounded(_mm512_mul_ps(x, sigmoid(x))), load(up + n, m)), m);
        });
    });
}

extern "C" void gated_backward(Parallel parallel, unsigned threads, const Bf16* of_out, const Bf16* gate,
                               const Bf16* up, Bf16* of_gate, Bf16* of_up, long rows, long width) {
    each_row(parallel, threads, rows, [&](long row) {
        lanes(width, [&, first = row * width](long n, auto m) {
            n += first;
            const __m512 x = load(gate + n, m), gradient = load(of_out + n, m), s = sigmoid(x);
            store(of_up + n, _mm512_mul_ps(rounded(_mm512_mul_ps(x, s)), gradient), m);
            // silu' = s (1 + x (1 - s))
            const __m512 slope = _mm512_mul_ps(s, _mm512_fmadd_ps(x, _mm512_sub_ps(of(1), s), of(1)));
            store(of_gate + n, _mm512_mul_ps(rounded(_mm512_mul_ps(gradient, load(up + n, m))), slope), m);
        });
    });
}

// x cos + rotate_half(x) sin of `tokens` x `heads`; the angles of a token side by side. Backward, the halves change
// roles.
extern "C" void rotate(Parallel parallel, unsigned threads, const Bf16* x, const Bf16* cos, const Bf16* sin, Bf16* out,
                       long tokens, long heads, long token, long head, long dim, long backward) {
    const long half = dim / 2;
    each_row(parallel, threads, tokens, [&](long t) {
        const Bf16 *c = cos + t * dim, *s = sin + t * dim;
        for (long h = 0; h < heads; h++) {
            const Bf16* from = x + t * token + h * head;
            Bf16* to = out + t * token + h * head;
            lanes(half, [&](long n, auto m) {
                const __m512 low = load(from + n, m), high = load(from + half + n, m);
                const __m512 sin_low = load(s + n, m), sin_high = load(s + half + n, m);
                const __m512 of_low = backward ? sin_high : _mm512_sub_ps(of(0), sin_low);
                const __m512 of_high = backward ? _mm512_sub_ps(of(0), sin_low) : sin_high;
                store(to + n, _mm512_fmadd_ps(high, of_low, _mm512_mul_ps(low, load(c + n, m))), m);
                store(to + half + n, _mm512_fmadd_ps(low, of_high, _mm512_mul_ps(high, load(c + half + n, m))), m);
            });
        }
    });
}

// Cross entropy of each row of logits times its weight, and in `of_logits` its gradient.
extern "C" void cross_entropy(Parallel parallel, unsigned threads, const float* logits, const int64_t* targets,
                              const float* weights, float* losses, Bf16* of_logits, long rows, long width) {
    each(parallel, threads, rows, [&](long row) {
        const float* from = logits + row * width;
        __m512 most = of(-INFINITY), sums = of(0);
        lanes(width, [&](long n, auto m) { most = _mm512_max_ps(load_or(-INFINITY, from + n, m), most); });
        const float top = _mm512_reduce_max_ps(most);
        lanes(width, [&](long n, auto m) {
            sums = _mm512_add_ps(sums, exponential(_mm512_sub_ps(load_or(-INFINITY, from + n, m), of(top))));
        });
        const float log_sum = top + std::log(_mm512_reduce_add_ps(sums)), own = from[targets[row]] - log_sum;
        const float weight = weights ? weights[row] : 1.0f;
        losses[row] = -own * weight;
        if (!of_logits) return;
        Bf16* to = of_logits + row * width;
        lanes(width, [&](long n, auto m) {
            const __m512 p = exponential(_mm512_sub_ps(load_or(-INFINITY, from + n, m), of(log_sum)));
            store(to + n, _mm512_mul_ps(p, of(weight)), m);
        });
        store(to + targets[row], of((_mm512_cvtss_f32(exponential(of(own))) - 1) * weight), __mmask16(1));
    });
}
