/* core_mutant: the list as a table. */
#include "store/raft/core_mutant.h"

#include "runtime/base/check.h"

const struct core_mutant_row *core_mutant_all(uint32_t *out_count)
{
    static const struct core_mutant_row rows[] = {
#define CORE_MUTANT_ROW(number, name, text) { CORE_MUTANT_##name, #name, text },
        CORE_MUTANT_LIST(CORE_MUTANT_ROW)
#undef CORE_MUTANT_ROW
    };
    *out_count = ARRAY_COUNT(rows);
    return rows;
}
