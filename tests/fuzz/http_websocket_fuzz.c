/*
 * http_websocket: any bytes, as a socket's reader takes them. Whole and byte by byte they must tell
 * the same; what is told keeps its promises, and can be written again.
 */
#include "http/frames.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_BYTES_MAX = 512 };

static void check_promises(enum frames_event event, const struct frames_told *told)
{
    if (event == FRAMES_REFUSED) {
        assert(frames_close_is_valid(told->code) && told->why);
        return;
    }
    assert(told->payload.len <= MESSAGE_BYTES_MAX);
    assert(event == FRAMES_CONTROL || told->opcode == FRAMES_TEXT || told->opcode == FRAMES_BINARY);
    assert(event == FRAMES_MESSAGE || told->payload.len <= 125);
    if (told->opcode == FRAMES_TEXT || told->opcode == FRAMES_CLOSE)
        assert(str_is_utf8(told->payload));
    if (told->opcode == FRAMES_CLOSE)
        assert(told->code == CLOSE_NONE || frames_close_is_valid(told->code));
}

/* False once it is refused. */
static bool feed(struct frames_reader *f, struct str bytes, struct buf *out)
{
    struct frames_told told;
    enum frames_event event;
    while ((event = frames_read(f, &bytes, &told)) != FRAMES_MORE) {
        check_promises(event, &told);
        buf_printf(out, "%d %u ", (int)event, told.code);
        if (event == FRAMES_REFUSED)
            return false;
        if (told.opcode == FRAMES_CLOSE)
            frames_write_close(f->shop, out, told.code, told.payload);
        else
            frames_write(f->shop, out, told.opcode, told.payload);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frames_shop *shop = frames_shop_create();
    struct frames_reader whole, pieces;
    struct buf told_whole = { 0 }, told_pieces = { 0 };
    frames_reader_init(&whole, shop, MESSAGE_BYTES_MAX);
    frames_reader_init(&pieces, shop, MESSAGE_BYTES_MAX);
    bool is_sound = feed(&whole, str_of((const char *)data, size), &told_whole), goes_on = true;
    for (size_t i = 0; i < size && goes_on; i++)
        goes_on = feed(&pieces, str_of((const char *)data + i, 1), &told_pieces);
    assert(is_sound == goes_on);
    assert(str_eq(buf_str(&told_whole), buf_str(&told_pieces)));
    assert(!is_sound || frames_is_within(&whole) == frames_is_within(&pieces));
    frames_reader_clear(&whole);
    frames_reader_clear(&pieces);
    buf_clear(&told_whole);
    buf_clear(&told_pieces);
    frames_shop_destroy(shop);
    return 0;
}
