/*
 * http_malformed: requests that a server must refuse, and with which status. The parser is fed each
 * row whole and cut at every place; the running server gets each through a socket.
 */
#pragma once
#include "base/buf.h"

struct malformed {
    const char *name;
    int status;
    /* The bytes: `start`, then `repeated` `count` times, then `end`. */
    const char *start, *repeated;
    size_t count;
    const char *end;
    size_t nul_at; /* a NUL replaces the byte here, when not 0 */
};

#define HOST "Host: a\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const struct malformed malformed_rows[] = {
    /* The request line. */
    { "no request line", 400, "\r\n\r\n\r\n", NULL, 0, "", 0 },
    { "bare LF before it", 400, "\nGET / HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "CR without LF before it", 400, "\rGET / HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "space before the method", 400, " GET / HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "two spaces after the method", 400, "GET  / HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "two spaces before the version", 400, "GET /  HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "tab after the method", 400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "space after the version", 400, "GET / HTTP/1.1 \r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "no target", 400, "GET HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "a method that is none", 400, "G@T / HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "TLS hello", 400, "\x16\x03\x01\x02", NULL, 0, "", 0 },
    { "unknown method", 501, "FOO / HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "lower-case method", 501, "get / HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "TRACE", 501, "TRACE / HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "CONNECT", 501, "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "lower-case protocol", 400, "GET / http/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "RTSP", 400, "GET / RTSP/1.0\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "ICE", 400, "SOURCE / ICE/1.0\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "HTTP/0.9", 400, "GET /\r\n", NULL, 0, "", 0 },
    { "HTTP/0.9 with LF", 400, "GET /\n", NULL, 0, "", 0 },
    { "HTTP/0.9 by number", 505, "GET / HTTP/0.9\r\n\r\n", NULL, 0, "", 0 },
    { "HTTP/1.2", 505, "GET / HTTP/1.2\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "HTTP/2.0", 505, "GET / HTTP/2.0\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NULL, 0, "", 0 },
    { "HTTP/1.10", 400, "GET / HTTP/1.10\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "LF after the version", 400, "GET / HTTP/1.1\n" HOST "\r\n", NULL, 0, "", 0 },
    { "CR alone after the version", 400, "GET / HTTP/1.1\r" HOST "\r\n", NULL, 0, "", 0 },

    /* The target. */
    { "relative target", 400, "GET a/b HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "another host's absolute form", 400, "GET http://b/ HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "",
      0 },
    { "another scheme", 400, "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "absolute form without a host", 400, "GET http:/// HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "",
      0 },
    { "asterisk for GET", 400, "GET * HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "fragment", 400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "octet beyond ASCII", 400, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "path traversal", 400, "GET /a/../../etc/passwd HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "encoded traversal", 400, "GET /%2e%2e/passwd HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "half encoded traversal", 400, "GET /a/.%2E/b HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "encoded slash", 400, "GET /a%2fb HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "encoded backslash", 400, "GET /a%5c..%5cb HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "encoded NUL", 400, "GET /a%00b HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "encoded line end", 400, "GET /a%0d%0ab HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "bad percent-encoding", 400, "GET /%zz HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "cut percent-encoding", 400, "GET /a%2 HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "bad encoding in the query", 400, "GET /?a=%g1 HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "not UTF-8", 400, "GET /%ff%fe HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 0 },
    { "target too long", 414, "GET /", "0123456789abcdef", 600, " HTTP/1.1\r\n" HOST "\r\n", 0 },

    /* Fields. */
    { "no Host", 400, "GET / HTTP/1.1\r\n\r\n", NULL, 0, "", 0 },
    { "two Hosts", 400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n", NULL, 0, "", 0 },
    { "empty Host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n", NULL, 0, "", 0 },
    { "a Host that is none", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", NULL, 0, "", 0 },
    { "a Host with user", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", NULL, 0, "", 0 },
    { "a Host with a bad port", 400, "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n", NULL, 0, "", 0 },
    { "bare LF in a field", 400, "GET / HTTP/1.1\r\nHost: a\n\r\n", NULL, 0, "", 0 },
    { "bare LF at the end", 400, "GET / HTTP/1.1\r\n" HOST "\n", NULL, 0, "", 0 },
    { "bare CR in a field", 400, "GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n", NULL, 0, "", 0 },
    { "folded field", 400, "GET / HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n", NULL, 0, "", 0 },
    { "field folded by tab", 400, "GET / HTTP/1.1\r\n" HOST "A: b\r\n\tc\r\n\r\n", NULL, 0, "", 0 },
    { "space before the first field", 400, "GET / HTTP/1.1\r\n " HOST "\r\n", NULL, 0, "", 0 },
    { "space before the colon", 400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n", NULL, 0, "", 0 },
    { "no colon", 400, "GET / HTTP/1.1\r\n" HOST "A b\r\n\r\n", NULL, 0, "", 0 },
    { "no name", 400, "GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", NULL, 0, "", 0 },
    { "bad octet in a name", 400, "GET / HTTP/1.1\r\n" HOST "A(b): c\r\n\r\n", NULL, 0, "", 0 },
    { "control in a value", 400,
      "GET / HTTP/1.1\r\n" HOST "A: b\x01"
      "c\r\n\r\n",
      NULL, 0, "", 0 },
    { "NUL in a name", 400, "GET / HTTP/1.1\r\n" HOST "AbC: d\r\n\r\n", NULL, 0, "", 26 },
    { "NUL in a value", 400, "GET / HTTP/1.1\r\n" HOST "A: bcd\r\n\r\n", NULL, 0, "", 29 },
    { "NUL in the target", 400, "GET /abc HTTP/1.1\r\n" HOST "\r\n", NULL, 0, "", 6 },
    { "other expectation", 417, POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na", NULL, 0, "",
      0 },
    { "64 KiB of fields", 431, "GET / HTTP/1.1\r\n" HOST, "A: 0123456789abcdef0123456789abcdef\r\n",
      1800, "\r\n", 0 },
    { "one field of 64 KiB", 431, "GET / HTTP/1.1\r\n" HOST "A: ", "0123456789abcdef", 4096,
      "\r\n\r\n", 0 },
    { "a name of 64 KiB", 431, "GET / HTTP/1.1\r\n" HOST, "0123456789abcdef", 4096, ": a\r\n\r\n",
      0 },
    { "64 KiB of spaces before a value", 431, "GET / HTTP/1.1\r\n" HOST "A:", "                ",
      4096, "a\r\n\r\n", 0 },
    { "101 fields", 431, "GET / HTTP/1.1\r\n" HOST, "A: b\r\n", 100, "\r\n", 0 },

    /* Where the body ends. */
    { "length and chunks", 400,
      POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL, 0, "", 0 },
    { "chunks and length", 400,
      POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", NULL, 0, "", 0 },
    { "differing lengths", 400, POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", NULL,
      0, "", 0 },
    { "the same length twice", 400, POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
      NULL, 0, "", 0 },
    { "a list of lengths", 400, POST "Content-Length: 5, 5\r\n\r\nabcde", NULL, 0, "", 0 },
    { "length +7", 400, POST "Content-Length: +7\r\n\r\nabcdefg", NULL, 0, "", 0 },
    { "length -1", 400, POST "Content-Length: -1\r\n\r\n", NULL, 0, "", 0 },
    { "length 0x5", 400, POST "Content-Length: 0x5\r\n\r\nabcde", NULL, 0, "", 0 },
    { "length 5 5", 400, POST "Content-Length: 5 5\r\n\r\nabcde", NULL, 0, "", 0 },
    { "empty length", 400, POST "Content-Length:\r\n\r\n", NULL, 0, "", 0 },
    { "length beyond 64 bits", 400, POST "Content-Length: 18446744073709551617\r\n\r\na", NULL, 0,
      "", 0 },
    { "body too large, announced", 413, POST "Content-Length: 1048577\r\n\r\n", NULL, 0, "", 0 },
    { "body too large, chunked", 413, CHUNKED "100001\r\n", "0123456789abcdef", 65537, "", 0 },
    { "chunk too large, announced", 413, CHUNKED "200000\r\n", NULL, 0, "", 0 },
    { "largest chunk, announced", 413, CHUNKED "ffffffffffffffff\r\n", NULL, 0, "", 0 },
    { "second chunk too large, announced", 413, CHUNKED "1\r\na\r\n100000\r\n", NULL, 0, "", 0 },
    { "gzip content", 415, POST "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na", NULL, 0, "",
      0 },
    { "unknown content coding", 415, POST "Content-Encoding: x\r\nContent-Length: 1\r\n\r\na", NULL,
      0, "", 0 },
    { "identity and gzip content", 415,
      POST "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"
           "Content-Length: 1\r\n\r\na",
      NULL, 0, "", 0 },
    { "gzip coding", 501, POST "Transfer-Encoding: gzip\r\n\r\n", NULL, 0, "", 0 },
    { "gzip before chunked", 501, POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", NULL, 0,
      "", 0 },
    { "xchunked", 501, POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", NULL, 0, "", 0 },
    { "identity", 501, POST "Transfer-Encoding: identity\r\n\r\n", NULL, 0, "", 0 },
    { "chunked twice", 400, POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", NULL, 0,
      "", 0 },
    { "two codings", 400,
      POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL, 0, "",
      0 },
    { "chunked by vertical tab", 400,
      POST "Transfer-Encoding: \x0b"
           "chunked\r\n\r\n0\r\n\r\n",
      NULL, 0, "", 0 },
    { "chunked in HTTP/1.0", 400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      NULL, 0, "", 0 },

    /* Chunks. */
    { "no chunk size", 400, CHUNKED "\r\n\r\n", NULL, 0, "", 0 },
    { "chunk size overflow", 400, CHUNKED "ffffffffffffffff1\r\n", NULL, 0, "", 0 },
    { "chunk size -5", 400, CHUNKED "-5\r\nabcde\r\n", NULL, 0, "", 0 },
    { "chunk size 0x5", 400, CHUNKED "0x5\r\nabcde\r\n", NULL, 0, "", 0 },
    { "space before the chunk size", 400, CHUNKED " 5\r\nabcde\r\n0\r\n\r\n", NULL, 0, "", 0 },
    { "space after the chunk size", 400, CHUNKED "5 \r\nabcde\r\n0\r\n\r\n", NULL, 0, "", 0 },
    { "LF after the chunk size", 400, CHUNKED "5\nabcde\r\n0\r\n\r\n", NULL, 0, "", 0 },
    { "LF in a chunk extension", 400, CHUNKED "5;a\nabcde\r\n0\r\n\r\n", NULL, 0, "", 0 },
    { "chunk longer than its size", 400, CHUNKED "5\r\nabcdef\r\n0\r\n\r\n", NULL, 0, "", 0 },
    { "LF after a chunk", 400, CHUNKED "5\r\nabcde\n0\r\n\r\n", NULL, 0, "", 0 },
    { "CR alone after the last chunk", 400, CHUNKED "0\r\n\rX", NULL, 0, "", 0 },
    { "length in the trailers", 400, CHUNKED "0\r\nContent-Length: 5\r\n\r\n", NULL, 0, "", 0 },
    { "chunk extensions without end", 431, CHUNKED "5;a=", "0123456789abcdef", 4096,
      "\r\nabcde\r\n0\r\n\r\n", 0 },
    { "trailers without end", 431, CHUNKED "0\r\n", "A: 0123456789abcdef\r\n", 4096, "\r\n", 0 },
    { "empty extensions without end", 431, CHUNKED, "1;a\r\nx\r\n", 8192, "0\r\n\r\n", 0 },

    /* Behind a good request. */
    { "garbage after a request", 400, "GET / HTTP/1.1\r\n" HOST "\r\n\x01\x02garbage\r\n\r\n", NULL,
      0, "", 0 },
    { "body without a length", 400, "POST / HTTP/1.1\r\n" HOST "\r\n{\"query\":\"{ me }\"}", NULL,
      0, "", 0 },
};

#undef HOST
#undef POST
#undef CHUNKED

/* Frees with buf_clear. */
static inline void malformed_bytes(const struct malformed *row, struct buf *ret_bytes)
{
    buf_init(ret_bytes, 0);
    buf_put_c(ret_bytes, row->start);
    for (size_t i = 0; i < row->count; i++)
        buf_put_c(ret_bytes, row->repeated);
    buf_put_c(ret_bytes, row->end);
    if (row->nul_at)
        ret_bytes->ptr[row->nul_at] = '\0';
}
