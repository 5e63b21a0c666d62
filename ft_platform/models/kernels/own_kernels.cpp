// What `own_kernels.py` calls, for numbers of one kind. Without the instructions for them there is nothing.
#include "lanes.h"

#if defined(NUMBER_BFLOAT16) && !defined(__AVX512BF16__)
#undef KERNELS
#endif

#ifdef KERNELS
#include "attention.h"
#include "products.h"
#include "rows.h"
extern "C" int usable() { return 1; }
#else
extern "C" int usable() { return 0; }
#endif
