/* loop_priv: what the files of io share: libuv's loop, and the way each handle is closed. */
#pragma once
#include <uv.h>

#include "base/list.h"
#include "io/loop.h"

struct io_loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t turn_end; /* libuv runs it after a turn's callbacks and before it waits */
    struct list armed;     /* of struct io_turn: to be called there */
    uv_mutex_t posts_lock;
    struct post *posts_first, **posts_end;
    bool stop_wanted; /* under posts_lock */
};

/*
 * Closes the handle that is the first member of a struct from mem_new and frees the struct once
 * libuv has let go of it.
 */
void io_close_and_free(uv_handle_t *handle);
