#include "http/frames.h"

#include <wslay/wslay.h>

#include "base/mem.h"

/* What a shop keeps for the next reader. */
enum { SPARE_MAX = 16 };

struct frames_shop {
    wslay_frame_context_ptr writer;
    wslay_frame_context_ptr spare[SPARE_MAX]; /* each between two frames */
    size_t spare_count;
    struct frames_reader *reader; /* the one that reads now ... */
    struct str *bytes;            /* ... and what it reads */
    struct buf *out;              /* of the frame that is written now */
};

/* ---- The shop ---- */

static ssize_t give_bytes(uint8_t *buf, size_t len, int flags, void *owner)
{
    struct frames_shop *shop = owner;
    struct str taken = str_first(*shop->bytes, len);
    (void)flags;
    if (taken.len == 0)
        return -1;
    memcpy(buf, taken.ptr, taken.len);
    *shop->bytes = str_from(*shop->bytes, taken.len);
    shop->reader->unframed += taken.len;
    return (ssize_t)taken.len;
}

static ssize_t put_bytes(const uint8_t *bytes, size_t len, int flags, void *owner)
{
    struct frames_shop *shop = owner;
    (void)flags;
    buf_put(shop->out, bytes, len);
    return (ssize_t)len;
}

static wslay_frame_context_ptr make_context(struct frames_shop *shop)
{
    static const struct wslay_frame_callbacks callbacks = { .send_callback = put_bytes,
                                                            .recv_callback = give_bytes };
    wslay_frame_context_ptr context = NULL;
    if (wslay_frame_context_init(&context, &callbacks, shop) != 0)
        base_abort("out of memory for a WebSocket");
    return context;
}

struct frames_shop *frames_shop_create(void)
{
    struct frames_shop *shop = mem_new(struct frames_shop);
    shop->writer = make_context(shop);
    return shop;
}

void frames_shop_destroy(struct frames_shop *shop)
{
    if (!shop)
        return;
    wslay_frame_context_free(shop->writer);
    while (shop->spare_count)
        wslay_frame_context_free(shop->spare[--shop->spare_count]);
    mem_free(shop);
}

static wslay_frame_context_ptr take_context(struct frames_shop *shop)
{
    return shop->spare_count ? shop->spare[--shop->spare_count] : make_context(shop);
}

/* Only between two frames: then it is as if it were new. */
static void give_back(struct frames_shop *shop, wslay_frame_context_ptr context)
{
    if (shop->spare_count < SPARE_MAX)
        shop->spare[shop->spare_count++] = context;
    else
        wslay_frame_context_free(context);
}

/* ---- Reading ---- */

void frames_reader_init(struct frames_reader *f, struct frames_shop *shop, size_t message_bytes_max)
{
    *f = (struct frames_reader){ .shop = shop, .message_bytes_max = message_bytes_max };
}

void frames_reader_clear(struct frames_reader *f)
{
    wslay_frame_context_free(take(f->context));
    buf_clear(&f->message);
    buf_clear(&f->control);
}

static enum frames_event refuse(struct frames_told *told, unsigned code, const char *why)
{
    *told = (struct frames_told){ .code = code, .why = why };
    return FRAMES_REFUSED;
}

static bool is_control(unsigned opcode)
{
    return wslay_is_ctrl_frame(opcode) != 0;
}

/* What is wrong with a frame of that kind here; NULL: nothing. */
static const char *fault_of(const struct frames_reader *f, const struct wslay_frame_iocb *frame)
{
    if (frame->rsv)
        return "reserved bits are set";
    if (!frame->mask)
        return "frame is not masked";
    switch (frame->opcode) {
    case WSLAY_CONTINUATION_FRAME:
        return f->is_in_message ? NULL : "nothing is there to be continued";
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
        return f->is_in_message ? "the message before has not ended" : NULL;
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG:
        return NULL;
    default:
        return "opcode is reserved";
    }
}

static enum frames_event begin_frame(struct frames_reader *f, const struct wslay_frame_iocb *frame,
                                     struct frames_told *told)
{
    const char *fault = fault_of(f, frame);
    if (fault)
        return refuse(told, CLOSE_PROTOCOL, fault);
    if (!is_control(frame->opcode) && frame->payload_length > f->message_bytes_max - f->message.len)
        return refuse(told, CLOSE_TOO_BIG, "message is too large");
    f->is_in_frame = true;
    f->is_final = frame->fin;
    f->opcode = frame->opcode;
    f->frame_left = frame->payload_length;
    if (frame->opcode == WSLAY_TEXT_FRAME || frame->opcode == WSLAY_BINARY_FRAME)
        f->message_opcode = frame->opcode;
    return FRAMES_MORE;
}

bool frames_close_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static enum frames_event tell_close(struct str payload, struct frames_told *told)
{
    *told = (struct frames_told){ .opcode = FRAMES_CLOSE, .code = CLOSE_NONE };
    if (payload.len == 0)
        return FRAMES_CONTROL;
    if (payload.len == 1)
        return refuse(told, CLOSE_PROTOCOL, "half a close code");
    assert(payload.ptr != NULL);
    told->code = (unsigned)((unsigned char)payload.ptr[0] << 8 | (unsigned char)payload.ptr[1]);
    told->payload = str_from(payload, 2);
    if (!frames_close_is_valid(told->code))
        return refuse(told, CLOSE_PROTOCOL, "close code may not be sent");
    if (!str_is_utf8(told->payload))
        return refuse(told, CLOSE_NOT_UTF8, "close reason is not UTF-8");
    return FRAMES_CONTROL;
}

static enum frames_event tell_control(struct frames_reader *f, struct frames_told *told)
{
    if (f->opcode == WSLAY_CONNECTION_CLOSE)
        return tell_close(buf_str(&f->control), told);
    *told = (struct frames_told){ .opcode = f->opcode, .payload = buf_str(&f->control) };
    return FRAMES_CONTROL;
}

static enum frames_event tell_message(struct frames_reader *f, struct frames_told *told)
{
    *told = (struct frames_told){ .opcode = f->message_opcode, .payload = buf_str(&f->message) };
    if (told->opcode == FRAMES_TEXT && !str_is_utf8(told->payload))
        return refuse(told, CLOSE_NOT_UTF8, "text is not UTF-8");
    return FRAMES_MESSAGE;
}

static enum frames_event end_frame(struct frames_reader *f, const struct wslay_frame_iocb *frame,
                                   struct frames_told *told)
{
    enum { HEAD = 6, LENGTH_16 = 2, LENGTH_64 = 8 }; /* with its mask */
    uint64_t length = frame->payload_length;
    uint64_t head = HEAD;
    if (length > UINT16_MAX)
        head += LENGTH_64;
    else if (length > 125)
        head += LENGTH_16;
    assert(f->unframed >= head + length);
    f->unframed -= head + length;
    f->is_in_frame = false;
    if (is_control(f->opcode))
        return tell_control(f, told);
    f->is_in_message = !f->is_final;
    return f->is_final ? tell_message(f, told) : FRAMES_MORE;
}

/* A frame's payload comes in pieces; the first may be empty, where all of it is. */
static enum frames_event take_piece(struct frames_reader *f, const struct wslay_frame_iocb *frame,
                                    struct frames_told *told)
{
    if (!f->is_in_frame && begin_frame(f, frame, told) == FRAMES_REFUSED)
        return FRAMES_REFUSED;
    buf_put(is_control(f->opcode) ? &f->control : &f->message, frame->data, frame->data_length);
    f->frame_left -= frame->data_length;
    return f->frame_left ? FRAMES_MORE : end_frame(f, frame, told);
}

/* Of what was told before, and is not wanted any more. */
static void forget_told(struct frames_reader *f)
{
    if (!f->is_in_frame)
        buf_reset(&f->control);
    if (!f->is_in_message && !(f->is_in_frame && !is_control(f->opcode)))
        buf_reset(&f->message);
}

/* An idle socket holds nothing. */
static void rest(struct frames_reader *f)
{
    if (f->unframed > 0)
        return;
    give_back(f->shop, take(f->context));
    buf_clear(&f->control);
    if (!f->is_in_message)
        buf_clear(&f->message);
}

enum frames_event frames_read(struct frames_reader *f, struct str *bytes,
                              struct frames_told *ret_told)
{
    enum frames_event event = FRAMES_MORE;
    if (!f->context) {
        if (bytes->len == 0)
            return FRAMES_MORE;
        f->context = take_context(f->shop);
    }
    forget_told(f);
    f->shop->reader = f;
    f->shop->bytes = bytes;
    while (event == FRAMES_MORE) {
        struct wslay_frame_iocb frame = { 0 };
        ssize_t got = wslay_frame_recv(f->context, &frame);
        if (got == WSLAY_ERR_WANT_READ) {
            assert(bytes->len == 0);
            rest(f);
            return FRAMES_MORE;
        }
        event = got < 0 ? refuse(ret_told, CLOSE_PROTOCOL, "frame is malformed")
                        : take_piece(f, &frame, ret_told);
    }
    return event;
}

/* ---- Writing ---- */

void frames_write(struct frames_shop *shop, struct buf *out, enum frames_opcode opcode,
                  struct str payload)
{
    struct wslay_frame_iocb frame = { .fin = 1,
                                      .opcode = (uint8_t)opcode,
                                      .payload_length = payload.len,
                                      .data = (const uint8_t *)payload.ptr,
                                      .data_length = payload.len };
    shop->out = out;
    ssize_t put = wslay_frame_send(shop->writer, &frame);
    assert(put == (ssize_t)payload.len); /* a buffer takes all */
}

void frames_write_close(struct frames_shop *shop, struct buf *out, unsigned code, struct str reason)
{
    char payload[2 + CLOSE_REASON_MAX] = { (char)(code >> 8), (char)(code & 0xff) };
    struct str cut = str_first(reason, CLOSE_REASON_MAX);
    while (!str_is_utf8(cut) && cut.len)
        cut.len--;
    if (code == CLOSE_NONE) {
        frames_write(shop, out, FRAMES_CLOSE, STR(""));
        return;
    }
    assert(frames_close_is_valid(code));
    if (cut.len)
        memcpy(payload + 2, cut.ptr, cut.len);
    frames_write(shop, out, FRAMES_CLOSE, str_of(payload, 2 + cut.len));
}
