#include "gateway/peer_options.h"

enum { CONNECT_MS = 2'000 };

struct http_client_options peer_options(const struct conf *conf, enum err_origin origin)
{
    struct http_client_options options = HTTP_CLIENT_DEFAULT;
    options.connect_timeout_ms = CONNECT_MS;
    options.breaker.failures_max = (unsigned)conf_int(conf, CONF_BREAKER_FAILURES);
    options.breaker.open_us_max = conf_duration_us(conf, CONF_BREAKER_OPEN_MAX);
    options.origin = origin;
    options.user_agent = "windlass-gateway";
    return options;
}
