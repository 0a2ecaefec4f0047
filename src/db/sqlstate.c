#include "db/sqlstate.h"

struct rule {
    const char *prefix; /* the longest that fits decides */
    enum err_code code;
};

static const struct rule rules[] = {
    { "08", ERR_UNAVAILABLE },    { "22", ERR_INVALID },        { "23", ERR_CONFLICT },
    { "25006", ERR_UNAVAILABLE }, { "28", ERR_UNAVAILABLE },    { "3D000", ERR_UNAVAILABLE },
    { "40001", ERR_CONFLICT },    { "40P01", ERR_CONFLICT },    { "53", ERR_UNAVAILABLE },
    { "54", ERR_LIMIT },          { "55P03", ERR_TIMEOUT },     { "57014", ERR_TIMEOUT },
    { "57P01", ERR_UNAVAILABLE }, { "57P02", ERR_UNAVAILABLE }, { "57P03", ERR_UNAVAILABLE },
    { "57P05", ERR_UNAVAILABLE }, { "58", ERR_UNAVAILABLE },
};

enum err_code db_sqlstate_code(const char *sqlstate)
{
    enum err_code code = ERR_INTERNAL;
    size_t best = 0;
    for (size_t i = 0; i < countof(rules); i++) {
        size_t len = strlen(rules[i].prefix);
        if (len > best && strncmp(sqlstate, rules[i].prefix, len) == 0) {
            best = len;
            code = rules[i].code;
        }
    }
    return code;
}

static bool is_one_of(const char *sqlstate, const char *const *states, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(sqlstate, states[i]) == 0)
            return true;
    return false;
}

bool db_sqlstate_is_retriable(const char *sqlstate)
{
    static const char *const states[] = { "40001", "40P01" };
    return is_one_of(sqlstate, states, countof(states));
}

bool db_sqlstate_is_outage(const char *sqlstate)
{
    static const char *const states[] = { "25006", "57P01", "57P02", "57P03", "57P05" };
    return is_one_of(sqlstate, states, countof(states)) || strncmp(sqlstate, "08", 2) == 0;
}

bool db_sqlstate_is_no_writes(const char *sqlstate)
{
    static const char *const states[] = { "25006", "53100" };
    return is_one_of(sqlstate, states, countof(states));
}
