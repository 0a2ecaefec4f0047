#include "store/public/error_group.h"

#include "store/public/error_group_sql.h"

struct db_step error_group_list_step(struct arena *a, int64_t since_us, const struct str *type,
                                     size_t count_max)
{
    return (struct db_step){ &error_group_list,
                             error_group_list_args(a, since_us, type, (int64_t)count_max) };
}
