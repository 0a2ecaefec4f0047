/*
 * token: opaque secrets of 256 random bits. The text goes to its holder once; only its SHA-256 is
 * kept. The text starts with what it is, so that scanners for leaked secrets find it.
 */
#pragma once
#include "base/base.h"
#include "base/sha256.h"
#include "base/str.h"

enum token_kind {
    TOKEN_SESSION,    /* "wls_…": a login */
    TOKEN_API,        /* "wlt_…": made by createApiToken */
    TOKEN_SETUP,      /* "wlu_…": makes the first user of an installation, once */
    TOKEN_CAPABILITY, /* "wlc_…": what the ai service asks with, during one chat */
    TOKEN_KIND_COUNT
};

enum {
    TOKEN_TEXT_LEN = 4 + 43, /* the prefix, and 32 bytes as base64url */
    TOKEN_SHOWN_LEN = 4 + 6, /* of an API token, to tell tokens apart */
};

struct token {
    char text[TOKEN_TEXT_LEN + 1];
    uint8_t hash[SHA256_LEN];
};

[[nodiscard]] struct token token_make(enum token_kind kind);

/* The kind and the hash to look for; false for text that no token can be, without any look-up. */
[[nodiscard]] bool token_parse(struct str text, enum token_kind *ret_kind,
                               uint8_t ret_hash[SHA256_LEN]);
