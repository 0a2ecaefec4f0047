/*
 * frames: WebSocket frames, read into whole messages and written, by wslay. It knows nothing of
 * sockets. What is read is what a client sends: masked frames without extensions.
 * Source: RFC 6455 sections 5 to 8; docs/subscriptions.md.
 */
#pragma once
#include "base/buf.h"
#include "base/str.h"

/* RFC 6455 section 7.4.1, and what this server means by it. */
enum frames_close {
    CLOSE_NORMAL = 1000,
    CLOSE_GOING_AWAY = 1001, /* the server drains */
    CLOSE_PROTOCOL = 1002,   /* not WebSocket as the RFC says */
    CLOSE_NONE = 1005,       /* never sent: a close frame without a code */
    CLOSE_ABNORMAL = 1006,   /* never sent: the connection broke */
    CLOSE_NOT_UTF8 = 1007,   /* a text message that is none */
    CLOSE_POLICY = 1008,     /* a message that does not come to its end */
    CLOSE_TOO_BIG = 1009,
    CLOSE_INTERNAL = 1011,
    CLOSE_TRY_AGAIN = 1013, /* the client does not read what it is sent */
};
enum { CLOSE_REASON_MAX = 123 }; /* bytes that fit beside the code in a control frame */

enum frames_opcode {
    FRAMES_TEXT = 1,
    FRAMES_BINARY = 2,
    FRAMES_CLOSE = 8,
    FRAMES_PING,
    FRAMES_PONG
};

/* The states of wslay that a thread's sockets share: each takes one only while a frame of it has
 * come in part, since one is 4 KiB. */
struct frames_shop;
[[nodiscard]] struct frames_shop *frames_shop_create(void);
void frames_shop_destroy(struct frames_shop *shop); /* accepts NULL */
DEFINE_SCOPED(frames_shop);

struct frames_reader {
    struct frames_shop *shop;
    struct wslay_frame_context *context; /* NULL: between two frames */
    struct buf message;                  /* of the data message that is being read */
    struct buf control;
    size_t message_bytes_max;
    uint64_t unframed;   /* bytes taken that belong to no frame that has ended */
    uint64_t frame_left; /* of the payload that is being read */
    bool is_in_frame, is_in_message;
    unsigned char opcode; /* of the frame; of a continuation: that of its message */
    unsigned char message_opcode;
    bool is_final;
};

enum frames_event {
    FRAMES_MORE,    /* all bytes are taken; feed more */
    FRAMES_MESSAGE, /* text is UTF-8 */
    FRAMES_CONTROL, /* ping, pong or a sound close */
    FRAMES_REFUSED, /* fail the connection with `code`; nothing more may be fed */
};

/* What came; `payload` lives until the next call. */
struct frames_told {
    enum frames_opcode opcode;
    struct str payload; /* of a close: the reason */
    unsigned code;      /* of a close: CLOSE_NONE where it has none. REFUSED: what to close with */
    const char *why;    /* REFUSED */
};

void frames_reader_init(struct frames_reader *f, struct frames_shop *shop,
                        size_t message_bytes_max);
void frames_reader_clear(struct frames_reader *f);
/* Consumes from the front of `bytes` until something is to be told; call it until it is MORE. */
[[nodiscard]] enum frames_event frames_read(struct frames_reader *f, struct str *bytes,
                                            struct frames_told *ret_told);
/* A message or a frame of one has come in part. */
[[nodiscard]] static inline bool frames_is_within(const struct frames_reader *f)
{
    return f->is_in_message || f->unframed > 0;
}

/* Appends one frame, final and unmasked as a server's are. */
void frames_write(struct frames_shop *shop, struct buf *out, enum frames_opcode opcode,
                  struct str payload);
/* A close frame; the reason is cut to CLOSE_REASON_MAX at a character. */
void frames_write_close(struct frames_shop *shop, struct buf *out, unsigned code,
                        struct str reason);
/* Whether a close frame may carry it. */
[[nodiscard]] bool frames_close_is_valid(unsigned code);
