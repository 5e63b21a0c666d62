// The layers of the network in one pass over a block of words, by the same operations in the same order as
// `network.py` has them, so that every bit is the same. Products are of 8-bit whole numbers and exact.

#include <cstdint>
#include <cstring>
#include <immintrin.h>
#include <vector>

#if !defined(__AVX2__)
#error "The plain layers stay."
#endif

namespace {

constexpr int WIDTH = 128, LANES = 16, GROUPS = WIDTH / LANES, LAYERS = 5, TAGS = 5;
constexpr int STRIDES[LAYERS] = {1, 1, 2, 4, 1};
constexpr float EPSILON = 1e-5f;
using Lanes = float __attribute__((vector_size(LANES * sizeof(float))));
using Whole = int32_t __attribute__((vector_size(LANES * sizeof(int32_t))));
constexpr int PARTS = 6;  // of the outputs of a layer: value and gate, of the word on the left, of the word, on the right

// As `Layers` in compiled.py lays them out.
struct Layer {
    float norm_weight[WIDTH], norm_bias[WIDTH], scale[PARTS][WIDTH], bias[2][WIDTH];
};
struct Floats {
    Layer layers[LAYERS];
    float last_weight[WIDTH], last_bias[WIDTH], out_scale[LANES], out_bias[LANES];
};

#if defined(__AVX512VNNI__)
// Four of a row with four of a column at once; columns are unsigned, 128 too large.
constexpr int DEPTH = 4, ROWS = 4, AT_ONCE = PARTS;
using Number = int8_t;
using Weight = uint8_t;
using Sums = __m512i;
constexpr int SHIFT = 128;
inline Sums none() { return _mm512_setzero_si512(); }
inline void add(Sums& sums, const Number* row, const Weight* columns) {
    int32_t four;
    std::memcpy(&four, row, sizeof four);
    sums = _mm512_dpbusd_epi32(sums, _mm512_loadu_si512(columns), _mm512_set1_epi32(four));
}
inline void keep(const Sums& sums, int32_t* place) { _mm512_storeu_si512(place, sums); }
#else
constexpr int DEPTH = 2, ROWS = 2, AT_ONCE = PARTS / 2;
using Number = int16_t;
using Weight = int16_t;
struct Sums {
    __m256i low, high;
};
constexpr int SHIFT = 0;
inline Sums none() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline void add(Sums& sums, const Number* row, const Weight* columns) {
    int32_t two;
    std::memcpy(&two, row, sizeof two);
    const __m256i both = _mm256_set1_epi32(two);
    const auto* place = reinterpret_cast<const __m256i*>(columns);
    sums.low = _mm256_add_epi32(sums.low, _mm256_madd_epi16(_mm256_loadu_si256(place), both));
    sums.high = _mm256_add_epi32(sums.high, _mm256_madd_epi16(_mm256_loadu_si256(place + 1), both));
}
inline void keep(const Sums& sums, int32_t* place) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(place), sums.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(place + LANES / 2), sums.high);
}
#endif

constexpr int GROUP = WIDTH * LANES;  // weights of `LANES` columns

// `LANES` neighbouring columns of a matrix (WIDTH, columns), `DEPTH` rows side by side.
void pack(const int8_t* matrix, int columns, int first, Weight* packed) {
    for (int k = 0; k < WIDTH; k++)
        for (int lane = 0; lane < LANES; lane++) {
            const int column = first + lane;
            const int weight = column < columns ? matrix[k * columns + column] : 0;
            packed[(k / DEPTH * LANES + lane) * DEPTH + k % DEPTH] = static_cast<Weight>(weight + SHIFT);
        }
}

// `ROWS` rows times `N` groups of columns, written to sums[place][group][lane] for the place of each row.
template <int N>
inline void multiply(const Number* rows, const Weight* packed, int32_t* sums, const int* places, int groups) {
    Sums held[ROWS][N];
    for (auto& row : held)
        for (auto& one : row) one = none();
    for (int k = 0; k < WIDTH / DEPTH; k++)
        for (int group = 0; group < N; group++)
            for (int row = 0; row < ROWS; row++)
                add(held[row][group], rows + row * WIDTH + k * DEPTH, packed + group * GROUP + k * LANES * DEPTH);
    for (int row = 0; row < ROWS; row++)
        for (int group = 0; group < N; group++) keep(held[row][group], sums + (places[row] * groups + group) * LANES);
}

inline Lanes read(const float* place) {
    Lanes lanes;
    std::memcpy(&lanes, place, sizeof lanes);
    return lanes;
}

// In the order in which numpy adds 128 numbers.
inline float sum(const float* x) {
    float r[8];
    for (int lane = 0; lane < 8; lane++) r[lane] = x[lane];
    for (int i = 8; i < WIDTH; i += 8)
        for (int lane = 0; lane < 8; lane++) r[lane] += x[i + lane];
    return ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
}

inline void normed(const float* x, const float* weight, const float* bias, float* y) {
    float squares[WIDTH];
    const float mean = sum(x) / WIDTH;
    for (int i = 0; i < WIDTH; i++) {
        y[i] = x[i] - mean;
        squares[i] = y[i] * y[i];
    }
    const float deviation = __builtin_sqrtf(sum(squares) / WIDTH + EPSILON);
    for (int i = 0; i < WIDTH; i++) y[i] = y[i] / deviation * weight[i] + bias[i];
}

// A row in 8 bits; returns its scale, and in `shift` what its products are too large by.
inline float in_8_bits(const float* y, Number* row, int32_t& shift) {
    float most[LANES] = {};
    for (int i = 0; i < WIDTH; i += LANES)
        for (int lane = 0; lane < LANES; lane++) {
            const float size = __builtin_fabsf(y[i + lane]);
            most[lane] = size > most[lane] ? size : most[lane];
        }
    float scale = EPSILON;
    for (float one : most) scale = one > scale ? one : scale;
    scale /= 127;
    int32_t total = 0;
    for (int i = 0; i < WIDTH; i++) {
        const int32_t number = static_cast<int32_t>(__builtin_rintf(y[i] / scale));
        row[i] = static_cast<Number>(number);
        total += number;
    }
    shift = total * SHIFT;
    return scale;
}

class Block {
public:
    Block(float* x, const float* there, int rows)
        : x(x), rows(rows), scales(rows), shifts(rows), sums((rows + 1) * PARTS * LANES) {
        for (int row = 0; row < rows; row++)
            if (there[row] != 0) words.push_back(row);
        places = words;
        places.resize((words.size() + ROWS - 1) / ROWS * ROWS, rows);  // behind the last row nobody looks
        numbers.resize(places.size() * WIDTH);
    }

    void layer(const Layer& of, const Weight* weights, int stride) {
        quantize(of.norm_weight, of.norm_bias);
        for (int group = 0; group < GROUPS; group++) {
            const Weight* packed = weights + group * PARTS * GROUP;
            for (size_t i = 0; i < places.size(); i += ROWS)
                for (int part = 0; part < PARTS; part += AT_ONCE)
                    multiply<AT_ONCE>(&numbers[i * WIDTH], packed + part * GROUP, &sums[part * LANES], &places[i], PARTS);
            gate(of, group * LANES, stride);
        }
    }

    void tags(const Floats& of, const Weight* packed, float* logits) {
        quantize(of.last_weight, of.last_bias);
        for (size_t i = 0; i < places.size(); i += ROWS)
            multiply<1>(&numbers[i * WIDTH], packed, sums.data(), &places[i], 1);
        for (int row : words)
            for (int tag = 0; tag < TAGS; tag++) {
                const float product = static_cast<float>(sums[row * LANES + tag] - shifts[row]);
                logits[row * TAGS + tag] = product * scales[row] * of.out_scale[tag] + of.out_bias[tag];
            }
    }

private:
    float* x;
    int rows;
    std::vector<int> words, places;  // Rows that are no gap; the same, filled up to full tiles.
    std::vector<Number> numbers;     // Of these rows.
    std::vector<float> scales;       // Of all rows, as the sums are: those of gaps stay 0.
    std::vector<int32_t> shifts, sums;

    void quantize(const float* weight, const float* bias) {
        float y[WIDTH];
        for (size_t i = 0; i < words.size(); i++) {
            normed(x + words[i] * WIDTH, weight, bias, y);
            scales[words[i]] = in_8_bits(y, &numbers[i * WIDTH], shifts[words[i]]);
        }
    }

    // `LANES` outputs of one part, of the word in a row.
    inline Lanes output(int row, int part, const Lanes& scale) const {
        Whole product;
        std::memcpy(&product, &sums[(row * PARTS + part) * LANES], sizeof product);
        return __builtin_convertvector(product - shifts[row], Lanes) * scales[row] * scale;
    }

    void gate(const Layer& of, int first, int stride) {
        Lanes scale[PARTS], bias[2];
        for (int part = 0; part < PARTS; part++) scale[part] = read(of.scale[part] + first);
        for (int half = 0; half < 2; half++) bias[half] = read(of.bias[half] + first);
        for (int row : words) {
            Lanes z[2];
            for (int half = 0; half < 2; half++) {
                z[half] = output(row, 2 + half, scale[2 + half]);
                if (row >= stride) z[half] += output(row - stride, half, scale[half]);
                if (row + stride < rows) z[half] += output(row + stride, 4 + half, scale[4 + half]);
                z[half] += bias[half];
            }
            Lanes open = z[1] / 6 + 0.5f;
            open = open < 0 ? Lanes{} : open;
            open = open > 1 ? Lanes{} + 1 : open;
            float* place = x + row * WIDTH + first;
            const Lanes sum = read(place) + open * z[0];
            std::memcpy(place, &sum, sizeof sum);
        }
    }
};

}  // namespace

extern "C" {

// Bytes of a layer's packed weights, and those of the last product behind all layers.
int64_t packed_bytes() { return (LAYERS * PARTS * GROUPS + 1) * GROUP * static_cast<int64_t>(sizeof(Weight)); }

// Args: layers: of each layer (WIDTH, PARTS * WIDTH); out: (WIDTH, TAGS).
void pack_weights(const int8_t* const* layers, const int8_t* out, void* packed) {
    auto* place = static_cast<Weight*>(packed);
    for (int layer = 0; layer < LAYERS; layer++)
        for (int group = 0; group < GROUPS; group++)
            for (int part = 0; part < PARTS; part++, place += GROUP)
                pack(layers[layer], PARTS * WIDTH, part * WIDTH + group * LANES, place);
    pack(out, TAGS, 0, place);
}

// Args: x: embedded words (rows, WIDTH), changed; there: 0 in gaps (rows); logits: (rows, TAGS), made but for gaps.
void tag(const void* floats, const void* packed, float* x, const float* there, int32_t rows, float* logits) {
    const auto& of = *static_cast<const Floats*>(floats);
    const auto* weights = static_cast<const Weight*>(packed);
    Block block(x, there, rows);
    for (int layer = 0; layer < LAYERS; layer++, weights += PARTS * GROUPS * GROUP)
        block.layer(of.layers[layer], weights, STRIDES[layer]);
    block.tags(of, weights, logits);
}
}
