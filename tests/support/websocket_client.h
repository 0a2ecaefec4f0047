/* websocket_client: frames as a client sends them, also those that it may not. */
#pragma once
#include "base/buf.h"

enum { FRAME_FIN = 0x80, FRAME_RSV1 = 0x40, FRAME_RSV2 = 0x20, FRAME_RSV3 = 0x10 };

/* Appends one: `first` is FIN, reserved bits and opcode. */
static inline void put_frame_head(struct buf *out, unsigned first, uint64_t len, bool is_masked)
{
    unsigned mask = is_masked ? 0x80 : 0;
    buf_put_char(out, (char)first);
    if (len < 126) {
        buf_put_char(out, (char)(mask | len));
        return;
    }
    int bytes = len <= UINT16_MAX ? 2 : 8;
    buf_put_char(out, (char)(mask | (bytes == 2 ? 126 : 127)));
    while (bytes-- > 0)
        buf_put_char(out, (char)(len >> (8 * bytes)));
}

static inline void put_masked(struct buf *out, unsigned first, struct str payload)
{
    static const char key[4] = { 0x5a, 0x01, (char)0xf0, 0x00 };
    put_frame_head(out, first, payload.len, true);
    buf_put(out, key, sizeof key);
    for (size_t i = 0; i < payload.len; i++)
        buf_put_char(out, (char)(payload.ptr[i] ^ key[i % 4]));
}

static inline void put_unmasked(struct buf *out, unsigned first, struct str payload)
{
    put_frame_head(out, first, payload.len, false);
    buf_put_str(out, payload);
}
