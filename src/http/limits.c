#include "http/limits.h"

static const struct {
    int status;
    const char *name;
} reasons[HTTP_REFUSED_COUNT] = {
    [HTTP_REFUSED_NONE] = { 200, "none" },
    [HTTP_REFUSED_SYNTAX] = { 400, "syntax" },
    [HTTP_REFUSED_FRAMING] = { 400, "framing" },
    [HTTP_REFUSED_HOST] = { 400, "host" },
    [HTTP_REFUSED_TARGET] = { 400, "target" },
    [HTTP_REFUSED_HEADER_SLOW] = { 408, "header-slow" },
    [HTTP_REFUSED_BODY_SLOW] = { 408, "body-slow" },
    [HTTP_REFUSED_BODY_LARGE] = { 413, "body-large" },
    [HTTP_REFUSED_TARGET_LONG] = { 414, "target-long" },
    [HTTP_REFUSED_ENCODING] = { 415, "encoding" },
    [HTTP_REFUSED_EXPECTATION] = { 417, "expectation" },
    [HTTP_REFUSED_HEADER_LARGE] = { 431, "header-large" },
    [HTTP_REFUSED_METHOD] = { 501, "method" },
    [HTTP_REFUSED_CODING] = { 501, "coding" },
    [HTTP_REFUSED_CONNECTIONS] = { 503, "connections" },
    [HTTP_REFUSED_VERSION] = { 505, "version" },
};

int http_refused_status(enum http_refused reason)
{
    return reasons[reason].status;
}

const char *http_refused_name(enum http_refused reason)
{
    return reasons[reason].name;
}

static const struct {
    unsigned code;
    const char *name;
} ends[HTTP_CLOSED_COUNT] = {
    { 1000, "1000" }, { 1001, "1001" }, { 1002, "1002" }, { 1003, "1003" }, { 1005, "1005" },
    { 1006, "1006" }, { 1007, "1007" }, { 1008, "1008" }, { 1009, "1009" }, { 1011, "1011" },
    { 1013, "1013" }, { 4400, "4400" }, { 4401, "4401" }, { 4403, "4403" }, { 4406, "4406" },
    { 4408, "4408" }, { 4409, "4409" }, { 4429, "4429" }, { 0, "other" },
};

size_t http_closed_index(unsigned code)
{
    size_t i = 0;
    while (i < HTTP_CLOSED_COUNT - 1 && ends[i].code != code)
        i++;
    return i;
}

const char *http_closed_name(size_t index)
{
    assert(index < HTTP_CLOSED_COUNT);
    return ends[index].name;
}
