// What `own_kernels.py` calls. Without instructions for bfloat16 there is nothing.
#ifdef __AVX512BF16__
#include "attention.h"
#include "products.h"
#include "rows.h"
extern "C" int usable() { return 1; }
#else
extern "C" int usable() { return 0; }
#endif
