/*
 * spawner_wire: what the runner and the spawner say on a connection, a packet each
 * (SOCK_SEQPACKET).
 *
 *   runner   {"task": "id", "attempt": 1, "payload": {…}}    which command; then, to end it: "stop"
 *   guard    'o' and bytes, 'e' and bytes                    what it wrote to its outputs
 *            'r' {"error": "…", "is_fatal": true}            it was not started
 *            'x' {"how": "exit", "code": 0, "is_success": true}    it has ended, with all it
 * started
 *
 * `how`: exit, signal, timeout, output (it wrote too much), stopped. The end of the connection
 * stops the command too.
 */
#pragma once

enum {
    SPAWNER_REQUEST_BYTES_MAX = 256 << 10, /* 32 KiB of arguments, each byte escaped */
    SPAWNER_PIECE_BYTES = 16 << 10,        /* of output in one packet */
};
