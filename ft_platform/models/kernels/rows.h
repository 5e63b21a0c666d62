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

// x / rms(x) * scale; `inverse`: 1 / rms of each row.
extern "C" void norm_forward(Parallel parallel, unsigned threads, const Number* x, const Number* scale, Number* out,
                             float* inverse, long rows, long width, float eps) {
    each_row(parallel, threads, rows, [&](long row) {
        const Number* from = x + row * width;
        Lanes squares = of(0);
        lanes(width, [&](long n, auto m) {
            const Lanes v = load(from + n, m);
            squares = fma(v, v, squares);
        });
        const float by = inverse[row] = 1.0f / std::sqrt(sum(squares) / width + eps);
        lanes(width, [&](long n, auto m) {
            const Lanes normal = rounded(load(from + n, m) * of(by));
            store(out + row * width + n, normal * load(scale + n, m), m);
        });
    });
}

extern "C" void norm_backward(Parallel parallel, unsigned threads, const Number* of_out, const Number* x, const Number* scale,
                              const float* inverse, Number* of_x, long rows, long width) {
    each_row(parallel, threads, rows, [&](long row) {
        const Number *from = x + row * width, *gradient = of_out + row * width;
        const Lanes by = of(inverse[row]);
        Lanes sums = of(0);
        lanes(width, [&](long n, auto m) {
            const Lanes scaled = rounded(load(gradient + n, m) * load(scale + n, m));
            sums = fma(scaled, load(from + n, m) * by, sums);
        });
        const Lanes along = of(sum(sums) / width);
        lanes(width, [&](long n, auto m) {
            const Lanes scaled = rounded(load(gradient + n, m) * load(scale + n, m));
            const Lanes rest = fnma(load(from + n, m) * by, along, scaled);
            store(of_x + row * width + n, rest * by, m);
        });
    });
}

static inline Lanes sigmoid(Lanes x) {
    const Lanes e = exponential(least(of(88), of(0) - x));
    return of(1) / (of(1) + e);
}

// silu(gate) * up
extern "C" void gated_forward(Parallel parallel, unsigned threads, const Number* gate, const Number* up, Number* out,
                              long rows, long width) {
    each_row(parallel, threads, rows, [&](long row) {
        lanes(width, [&, first = row * width](long n, auto m) {
            n += first;
            const Lanes x = load(gate + n, m);
            store(out + n, rounded(x * sigmoid(x)) * load(up + n, m), m);
        });
    });
}

extern "C" void gated_backward(Parallel parallel, unsigned threads, const Number* of_out, const Number* gate,
                               const Number* up, Number* of_gate, Number* of_up, long rows, long width) {
    each_row(parallel, threads, rows, [&](long row) {
        lanes(width, [&, first = row * width](long n, auto m) {
            n += first;
            const Lanes x = load(gate + n, m), gradient = load(of_out + n, m), s = sigmoid(x);
            store(of_up + n, rounded(x * s) * gradient, m);
            // silu' = s (1 + x (1 - s))
            const Lanes slope = s * fma(x, of(1) - s, of(1));
            store(of_gate + n, rounded(gradient * load(up + n, m)) * slope, m);
        });
    });
}

// x cos + rotate_half(x) sin of `tokens` x `heads`; the angles of a token side by side. Backward, the halves change
// roles.
extern "C" void rotate(Parallel parallel, unsigned threads, const Number* x, const Number* cos, const Number* sin, Number* out,
                       long tokens, long heads, long token, long head, long dim, long backward) {
    const long half = dim / 2;
    each_row(parallel, threads, tokens, [&](long t) {
        const Number *c = cos + t * dim, *s = sin + t * dim;
        for (long h = 0; h < heads; h++) {
            const Number* from = x + t * token + h * head;
            Number* to = out + t * token + h * head;
            lanes(half, [&](long n, auto m) {
                const Lanes low = load(from + n, m), high = load(from + half + n, m);
                const Lanes sin_low = load(s + n, m), sin_high = load(s + half + n, m);
                const Lanes of_low = backward ? sin_high : of(0) - sin_low;
                const Lanes of_high = backward ? of(0) - sin_low : sin_high;
                store(to + n, fma(high, of_low, low * load(c + n, m)), m);
                store(to + half + n, fma(low, of_high, high * load(c + half + n, m)), m);
            });
        }
    });
}

// Cross entropy of each row of logits times its weight, and in `of_logits`, which may be the logits, its gradient.
extern "C" void cross_entropy(Parallel parallel, unsigned threads, const float* logits, const int64_t* targets,
                              const float* weights, float* losses, Number* of_logits, long rows, long width) {
    each(parallel, threads, rows, [&](long row) {
        const float* from = logits + row * width;
        Lanes largest_seen = of(-INFINITY), sums = of(0);
        lanes(width, [&](long n, auto m) { largest_seen = most(load_or(-INFINITY, from + n, m), largest_seen); });
        const float top = largest(largest_seen);
        lanes(width, [&](long n, auto m) {
            sums = sums + exponential(load_or(-INFINITY, from + n, m) - of(top));
        });
        const float log_sum = top + std::log(sum(sums)), own = from[targets[row]] - log_sum;
        const float weight = weights ? weights[row] : 1.0f;
        losses[row] = -own * weight;
        if (!of_logits) return;
        Number* to = of_logits + row * width;
        lanes(width, [&](long n, auto m) {
            const Lanes p = exponential(load_or(-INFINITY, from + n, m) - of(log_sum));
            store(to + n, p * of(weight), m);
        });
        store(to + targets[row], (exponential(of(own)) - of(1)) * of(weight), first(1));
    });
}
