/* uri: request targets, percent-encoding and queries. Pure. Source: RFC 3986, RFC 9112 section 3.2.
 */
#pragma once
#include "base/arena.h"
#include "base/str.h"

/* Every '%' is followed by two hexadecimal digits, and no octet is a control or beyond ASCII. */
[[nodiscard]] bool http_percent_is_valid(struct str text);
/*
 * Decodes into the arena; gives `text` itself where there is nothing to decode. With
 * `plus_is_space` as HTML forms write. False for bad encoding.
 */
[[nodiscard]] bool http_percent_decode(struct arena *a, struct str text, bool plus_is_space,
                                       struct str *ret_text);
/*
 * A path as a server may trust it: begins with '/', no "." or ".." segment however written, no
 * encoded slash or backslash, no control characters, valid UTF-8. False for all others.
 */
[[nodiscard]] bool http_path_decode(struct arena *a, struct str raw, struct str *ret_path);
/* The first parameter of that name, decoded. False when absent or badly encoded. */
[[nodiscard]] bool http_query_find(struct arena *a, struct str query, struct str name,
                                   struct str *ret_value);

/* A host and maybe a port, as in the Host field: "example.org", "10.0.0.1:80", "[::1]:8080". */
[[nodiscard]] bool http_host_is_valid(struct str host);

/*
 * A request target in origin form ("/path?query"), or in absolute form when its authority is
 * `host`; "*" is given as the path "*". Nothing is decoded. False for all others.
 */
[[nodiscard]] bool http_target_split(struct str target, struct str host, struct str *ret_path,
                                     struct str *ret_query);
