#include "obs/version.h"

#include "obs/source.h" /* made at each build: SOURCE_INFO is "commit", "date" */

#define FIRST(a, b) a
#define SECOND(a, b) b
#define PICK(which, ...) which(__VA_ARGS__)
#define SOURCE_COMMIT PICK(FIRST, SOURCE_INFO)
#define SOURCE_DATE PICK(SECOND, SOURCE_INFO)

const char *version_text(void)
{
    return VERSION_TEXT;
}

const char *version_commit(void)
{
    return SOURCE_COMMIT;
}

const struct version_fact *version_facts(size_t *ret_count)
{
    static const struct version_fact facts[] = {
        { "version", VERSION_TEXT },    { "commit", SOURCE_COMMIT },
        { "date", SOURCE_DATE },        { "compiler", VERSION_COMPILER },
        { "libpq", VERSION_LIBPQ },     { "libuv", VERSION_LIBUV },
        { "libcurl", VERSION_LIBCURL }, { "openssl", VERSION_OPENSSL },
        { "llhttp", VERSION_LLHTTP },   { "yyjson", VERSION_YYJSON },
    };
    *ret_count = countof(facts);
    return facts;
}
