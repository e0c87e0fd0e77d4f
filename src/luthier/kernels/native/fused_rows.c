/* Row-wise parts of training as single passes over memory, in float32 and bfloat16.
 *
 * Each function does in one pass what takes torch three to six. Sums are kept in float32 and run over one row in one
 * thread, so that a result does not depend on the number of threads. NaN and infinity go through.
 * Built and called by luthier/kernels/compiled.py.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SMALL 16384 /* values below which a second thread costs more than it brings */
#define BLOCK 64    /* rows that are summed one after the other; compiled.py knows it too */

static inline float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline uint32_t to_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

static inline float load_bfloat16(uint16_t value) { return from_bits((uint32_t)value << 16); }

static inline uint16_t store_bfloat16(float value) { /* to nearest, ties to even */
    uint32_t bits = to_bits(value);
    uint16_t rounded = (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
    return value != value ? (uint16_t)0x7fc0 : rounded;
}

/* e^x to the last bit but one: x = n ln 2 + r, |r| <= ln 2 / 2, and Taylor's series of e^r up to r^7 / 7!. */
static inline float exponential(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float n = __builtin_rintf(x * 1.44269504f);
    float r = x - n * 0.693145752f - n * 1.42860677e-6f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * from_bits((uint32_t)((int32_t)n + 127) << 23);
}

static float *row_buffer(long count) {
    float *buffer = malloc((size_t)count * sizeof(float));
    if (buffer == NULL) abort(); /* some hundred kilobytes: the process is at its end */
    return buffer;
}

static inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

#define VALUE float
#define LOAD(x) (x)
#define STORE(x) (x)
#define NAME(function) function##_float32
#include "fused_rows.inc"
#undef VALUE
#undef LOAD
#undef STORE
#undef NAME

#define VALUE uint16_t
#define LOAD(x) load_bfloat16(x)
#define STORE(x) store_bfloat16(x)
#define NAME(function) function##_bfloat16
#include "fused_rows.inc"
