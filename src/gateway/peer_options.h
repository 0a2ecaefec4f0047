/*
 * peer_options: what is the same of every way to another service: whom errors name, how long a
 * connection may take, and the breaker.
 */
#pragma once
#include "conf/conf.h"
#include "http/client.h"

[[nodiscard]] struct http_client_options peer_options(const struct conf *conf,
                                                      enum err_origin origin);
