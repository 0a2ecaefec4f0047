/*
 * web_files: the pages of web/, embedded at build time by tools/embed.py and sorted by path.
 * Whoever links them takes `web_dep`.
 */
#pragma once
#include "base/base.h"
#include "http/static.h"

extern const struct http_file web_files[];
extern const size_t web_files_count;

/*
 * What these pages may do: run and load what this origin serves and nothing else; no inline script,
 * no inline style, no frame around them. Complete header lines for http_server_options.
 */
#define WEB_SECURITY_HEADERS                                                                       \
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "           \
    "img-src 'self'; connect-src 'self'; font-src 'self'; manifest-src 'self'; "                   \
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"                              \
    "X-Content-Type-Options: nosniff\r\n"                                                          \
    "Referrer-Policy: no-referrer\r\n"                                                             \
    "Cross-Origin-Opener-Policy: same-origin\r\n"                                                  \
    "Cross-Origin-Resource-Policy: same-origin\r\n"
