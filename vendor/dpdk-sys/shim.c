/* What bindgen cannot reach: rte_errno is a macro over a thread-local variable. */
#include "wrapper.h"

int wagonway_errno(void) { return rte_errno; }
