#include "http/client.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "http/guard.h"
#include "io/poll.h"
#include "io/timer.h"

/*
 *  http_client_call --> waiting --> running (libcurl) --> reply, error
 *                          `-- deadline ------'-- deadline, cancel
 */
struct http_call {
    struct list node; /* in the client's `waiting`, `running` or `doomed` */
    struct http_client *client;
    struct http_call_options options; /* its pointers are not kept */
    char *method, *url, *sent;
    struct curl_slist *fields;
    CURL *easy; /* while it runs */
    struct io_timer *deadline;
    struct buf headers, body;
    bool has_passed_limit, has_refused_body, is_cut;
    char refused_address[INET6_ADDRSTRLEN]; /* by the guard; empty: none */
    const char *refused_as;
    bool has_tried_address; /* one that the guard let through */
    unsigned sendings;
};

struct http_client {
    struct io_loop *loop;
    struct http_client_options options;
    char *unix_path, *user_agent;
    CURLM *multi;
    struct io_timer *timer; /* libcurl's */
    struct list waiting, running, doomed;
    struct list sockets; /* struct socket */
    struct http_breaker breaker;
    struct http_client_stats stats;
    bool is_inside_curl; /* libcurl forbids to remove a transfer from within its callbacks */
};

struct socket {
    struct list node;
    struct http_client *client;
    curl_socket_t fd;
    struct io_poll *poll;
};

/* ---- A call's memory ---- */

static void free_call(struct http_call *call)
{
    list_remove(&call->node);
    io_timer_destroy(call->deadline);
    if (call->easy)
        curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->fields);
    mem_free(call->method);
    mem_free(call->url);
    mem_free(call->sent);
    buf_clear(&call->headers);
    buf_clear(&call->body);
    mem_free(call);
}

/* Takes it from where it is; outside of libcurl's callbacks only. */
static void detach(struct http_call *call)
{
    struct http_client *client = call->client;
    if (call->easy) {
        (void)curl_multi_remove_handle(client->multi, call->easy);
        client->stats.running--;
    } else {
        client->stats.waiting--;
    }
    list_remove(&call->node);
}

/* ---- What libcurl calls ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *owner)
{
    struct http_call *call = owner;
    struct str piece = str_of(bytes, size * count);
    if (call->options.on_body) {
        call->has_refused_body = !call->options.on_body(call->options.owner, piece);
        return call->has_refused_body ? 0 : piece.len;
    }
    size_t kept = call->options.body_bytes_kept;
    if (kept > 0 && piece.len > kept - call->body.len) {
        buf_put_str(&call->body, str_first(piece, kept - call->body.len));
        call->is_cut = true;
        return 0;
    }
    buf_put_str(&call->body, piece);
    call->has_passed_limit = call->body.failed;
    return call->body.failed ? 0 : piece.len;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *owner)
{
    struct http_call *call = owner;
    struct str line = str_of(bytes, size * count);
    if (str_starts_with(line, STR("HTTP/"))) {
        buf_reset(&call->headers); /* of the final answer only */
        call->refused_as = NULL;
        call->has_tried_address = false;
    } else if (line.len > 2) {
        buf_put_str(&call->headers, line);
    }
    call->has_passed_limit = call->headers.failed;
    return call->headers.failed ? 0 : line.len;
}

/* Before each sending of the request, over whatever connection. */
static int on_sending(void *owner, char *to, char *from, int to_port, int from_port)
{
    struct http_call *call = owner;
    (void)to, (void)from, (void)to_port, (void)from_port;
    call->sendings++;
    return CURL_PREREQFUNC_OK;
}

static bool read_address(const struct sockaddr *from, struct http_address *ret_address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (from->sa_family == AF_INET) {
        memcpy(&v4, from, sizeof v4);
        *ret_address = (struct http_address){ .bytes = { [10] = 0xff, [11] = 0xff } };
        memcpy(&ret_address->bytes[HTTP_ADDRESS_V4_AT], &v4.sin_addr, sizeof v4.sin_addr);
        return true;
    }
    if (from->sa_family != AF_INET6)
        return false;
    memcpy(&v6, from, sizeof v6);
    memcpy(ret_address->bytes, &v6.sin6_addr, sizeof ret_address->bytes);
    return true;
}

/* The one way to a connection of a guarded client: whatever named the host, this is its address. */
static curl_socket_t open_guarded(void *owner, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct http_call *call = owner;
    struct http_address address;
    const char *refused_as = "neither IPv4 nor IPv6";
    (void)purpose;
    bool is_ip = read_address(&to->addr, &address);
    if (is_ip)
        refused_as = http_guard_refuses(call->client->options.guard, &address);
    if (refused_as == NULL) {
        call->has_tried_address = true;
        return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    }
    call->refused_as = refused_as;
    bool is_v4 = is_ip && http_address_is_v4(&address);
    const void *bytes = is_v4 ? &address.bytes[HTTP_ADDRESS_V4_AT] : address.bytes;
    (void)snprintf(call->refused_address, sizeof call->refused_address, "?");
    if (is_ip)
        (void)inet_ntop(is_v4 ? AF_INET : AF_INET6, bytes, call->refused_address,
                        sizeof call->refused_address);
    return CURL_SOCKET_BAD;
}

static void drive(struct http_client *client, curl_socket_t fd, int events);

static void on_socket_event(void *owner, int events)
{
    struct socket *s = owner;
    int set = (events & IO_READABLE ? CURL_CSELECT_IN : 0) |
              (events & IO_WRITABLE ? CURL_CSELECT_OUT : 0);
    drive(s->client, s->fd, set); /* may free `s` */
}

static void free_socket(struct socket *s)
{
    list_remove(&s->node);
    io_poll_destroy(s->poll);
    mem_free(s);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *socket_data)
{
    struct http_client *client = owner;
    struct socket *s = socket_data;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s)
            free_socket(s);
        (void)curl_multi_assign(client->multi, fd, NULL);
        return 0;
    }
    if (!s) {
        struct err e;
        s = mem_new(struct socket);
        *s = (struct socket){ .client = client, .fd = fd };
        list_push(&client->sockets, &s->node);
        if (!io_poll_create(client->loop, fd, on_socket_event, s, &s->poll, &e)) {
            free_socket(s);
            return -1;
        }
        (void)curl_multi_assign(client->multi, fd, s);
    }
    io_poll_set(s->poll,
                (what & CURL_POLL_IN ? IO_READABLE : 0) | (what & CURL_POLL_OUT ? IO_WRITABLE : 0));
    return 0;
}

static int on_timer_wish(CURLM *multi, long timeout_ms, void *owner)
{
    struct http_client *client = owner;
    (void)multi;
    if (timeout_ms < 0)
        io_timer_stop(client->timer);
    else
        io_timer_start(client->timer, timeout_ms);
    return 0;
}

/* ---- Outcomes ---- */

static bool explain(const struct http_call *call, CURLcode code, struct err *e)
{
    const struct http_client_options *options = &call->client->options;
    long status = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (call->refused_as != NULL && !call->has_tried_address)
        return err_set(e, ERR_DENIED, "%s is not a public address (%s); http-allow may name it",
                       call->refused_address, call->refused_as);
    switch ((int)code) {
    case CURLE_WRITE_ERROR:
        if (call->has_passed_limit)
            return err_set(e, ERR_LIMIT, "answer of %.100s is larger than allowed", call->url);
        return err_set(e, ERR_CANCELLED, "answer of %s was not wanted any more", call->url);
    case CURLE_URL_MALFORMAT:
        return err_set(e, ERR_INVALID, "\"%.100s\" is not an http or https URL", call->url);
    case CURLE_UNSUPPORTED_PROTOCOL: /* of a redirect; or HTTP/0.9, which anything is */
        if (status >= 300 && status <= 399)
            return err_set(e, ERR_INVALID, "%.100s redirects to what is no http or https URL",
                           call->url);
        return err_set_from(e, options->origin, ERR_UNAVAILABLE,
                            "what answers %.100s does not speak HTTP/1.1", call->url);
    case CURLE_TOO_MANY_REDIRECTS:
        return err_set(e, ERR_INVALID, "more than %u redirects from %.100s",
                       call->options.redirects_max, call->url);
    case CURLE_OPERATION_TIMEDOUT:
        return err_set_from(e, options->origin, ERR_UNAVAILABLE,
                            "no connection to %.100s within %lld ms", call->url,
                            (long long)options->connect_timeout_ms);
    default:
        return err_set_from(e, options->origin, ERR_UNAVAILABLE, "cannot reach %.100s: %s",
                            call->url, curl_easy_strerror(code));
    }
}

/* After all that may have changed the breaker's state. */
static void note_breaker(struct http_client *client)
{
    if (client->stats.breaker == client->breaker.state)
        return;
    client->stats.breaker = client->breaker.state;
    client->stats.breaker_since_us = clock_wall_us();
}

static void report_to_breaker(struct http_client *client, enum err_code code)
{
    if (code == ERR_UNAVAILABLE || code == ERR_TIMEOUT)
        http_breaker_failed(&client->breaker, io_loop_now_us(client->loop));
    else if (code == ERR_CANCELLED || code == ERR_INVALID || code == ERR_DENIED)
        http_breaker_forget(&client->breaker);
    else
        http_breaker_succeeded(&client->breaker);
    note_breaker(client);
}

static void fail(struct http_call *call, const struct err *e)
{
    struct http_client *client = call->client;
    client->stats.failures++;
    client->stats.timeouts += e->code == ERR_TIMEOUT;
    call->options.fn(call->options.owner, NULL, e);
    free_call(call);
}

static void complete(struct http_call *call, CURLcode code)
{
    struct err e = { 0 };
    bool is_ok = code == CURLE_OK || call->is_cut || explain(call, code, &e);
    long status = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    detach(call);
    report_to_breaker(call->client, e.code);
    if (!is_ok) {
        fail(call, &e);
        return;
    }
    struct http_reply reply = {
        .status = (int)status,
        .headers = buf_str(&call->headers),
        .body = buf_str(&call->body),
        .is_cut = call->is_cut,
        .is_of_repeat = call->sendings > 1,
    };
    call->options.fn(call->options.owner, &reply, NULL);
    free_call(call);
}

static void start_waiting(struct http_client *client);

static void drive(struct http_client *client, curl_socket_t fd, int events)
{
    int running = 0, left = 0;
    client->is_inside_curl = true;
    (void)curl_multi_socket_action(client->multi, fd, events, &running);
    client->is_inside_curl = false;
    while (!list_is_empty(&client->doomed)) {
        struct http_call *call = container_of(client->doomed.next, struct http_call, node);
        detach(call);
        http_breaker_forget(&client->breaker);
        free_call(call);
    }
    for (CURLMsg *m; (m = curl_multi_info_read(client->multi, &left));) {
        char *owner = NULL;
        CURLcode code = m->data.result; /* `m` goes with its transfer */
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &owner);
        complete((struct http_call *)(void *)owner, code);
    }
    start_waiting(client);
}

static void on_timer(void *owner)
{
    drive(owner, CURL_SOCKET_TIMEOUT, 0);
}

static void deadline_passed(void *owner)
{
    struct http_call *call = owner;
    struct http_client *client = call->client;
    struct err e = { 0 };
    bool was_running = call->easy != NULL;
    (void)err_set_from(&e, client->options.origin, ERR_TIMEOUT,
                       "no answer of %.100s within %lld ms", call->url,
                       (long long)call->options.deadline_ms);
    detach(call);
    if (was_running)
        report_to_breaker(client, ERR_TIMEOUT);
    else
        http_breaker_forget(&client->breaker); /* the peer was never asked */
    fail(call, &e);
    start_waiting(client);
}

/* ---- Starting ---- */

static void set_up_method(struct http_call *call)
{
    CURL *easy = call->easy;
    bool has_body = call->options.body.len > 0;
    bool is_head = call->method && strcmp(call->method, "HEAD") == 0;
    bool is_get = !call->method || strcmp(call->method, "GET") == 0;
    if (is_head) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (has_body || !is_get) {
        (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                               (curl_off_t)call->options.body.len);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->sent);
        if (call->method)
            (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    }
}

static void set_up(struct http_call *call)
{
    struct http_client *client = call->client;
    CURL *easy = call->easy;
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(easy, CURLOPT_URL, call->url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    /* A name that is still being looked up when its call ends must not hold up the loop. */
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, (long)(call->options.redirects_max > 0));
    (void)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)call->options.redirects_max);
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    if (client->options.guard) {
        (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_guarded);
        (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    }
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                           (long)client->options.connect_timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->fields);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_sending);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long)call->options.is_sent_once);
    if (client->unix_path)
        (void)curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->unix_path);
    set_up_method(call);
}

static void start(struct http_call *call)
{
    struct http_client *client = call->client;
    call->easy = curl_easy_init();
    if (!call->easy)
        base_abort("libcurl: out of memory");
    set_up(call);
    list_push(&client->running, &call->node);
    client->stats.running++;
    if (curl_multi_add_handle(client->multi, call->easy) != CURLM_OK)
        base_abort("libcurl: out of memory");
}

static void start_waiting(struct http_client *client)
{
    while (client->stats.running < client->options.running_max &&
           !list_is_empty(&client->waiting)) {
        struct list *node = list_pop(&client->waiting);
        client->stats.waiting--;
        start(container_of(node, struct http_call, node));
    }
}

static bool is_http_url(const char *url)
{
    CURLU *parts = curl_url();
    char *scheme = NULL;
    if (!parts)
        base_abort("libcurl: out of memory");
    bool is_http = curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                   curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                   (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return is_http;
}

static bool check(struct http_client *client, const struct http_call_options *options,
                  struct err *e)
{
    assert(options->fn && options->deadline_ms > 0);
    assert(options->redirects_max == 0 || options->body.len == 0);
    assert(options->body_bytes_kept <= client->options.response_bytes_max);
    if (!is_http_url(options->url))
        return err_set(e, ERR_INVALID, "\"%.100s\" is not an http or https URL", options->url);
    for (size_t i = 0; i < options->header_count; i++)
        if (strpbrk(options->headers[i], "\r\n"))
            return err_set(e, ERR_INVALID, "request header %zu holds a line end", i);
    if (client->stats.running >= client->options.running_max &&
        client->stats.waiting >= client->options.waiting_max)
        return err_set_from(e, client->options.origin, ERR_RATE, "%zu calls of %s wait already",
                            client->options.waiting_max, options->url);
    bool is_allowed = http_breaker_allow(&client->breaker, io_loop_now_us(client->loop));
    note_breaker(client);
    if (!is_allowed)
        return err_set_from(e, client->options.origin, ERR_UNAVAILABLE,
                            "%s did not answer lately and is given time", options->url);
    return true;
}

static void add_field(struct http_call *call, const char *line)
{
    struct curl_slist *longer = curl_slist_append(call->fields, line);
    if (!longer)
        base_abort("libcurl: out of memory");
    call->fields = longer;
}

bool http_client_call(struct http_client *client, const struct http_call_options *options,
                      struct http_call **ret_call, struct err *e)
{
    if (!check(client, options, e)) {
        client->stats.refused++;
        return false;
    }
    struct http_call *call = mem_new(struct http_call);
    *call = (struct http_call){ .client = client, .options = *options };
    list_init(&call->node);
    buf_init(&call->headers, client->options.response_header_bytes_max);
    buf_init(&call->body, client->options.response_bytes_max);
    call->method = options->method ? mem_cstr(str_of_c(options->method)) : NULL;
    call->url = mem_cstr(str_of_c(options->url));
    call->sent = mem_cstr(options->body);
    for (size_t i = 0; i < options->header_count; i++)
        add_field(call, options->headers[i]);
    add_field(call, "Expect:"); /* libcurl would wait a second for 100 Continue */
    call->deadline = io_timer_create(client->loop, deadline_passed, call);
    io_timer_start(call->deadline, options->deadline_ms);
    client->stats.calls++;
    list_push(&client->waiting, &call->node);
    client->stats.waiting++;
    if (!client->is_inside_curl) /* else when libcurl has returned */
        start_waiting(client);
    if (ret_call)
        *ret_call = call;
    return true;
}

bool http_call_was_sent(const struct http_call *call)
{
    long sent_bytes = 0;
    if (!call->easy)
        return false;
    return curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent_bytes) != CURLE_OK ||
           sent_bytes > 0;
}

void http_call_cancel(struct http_call *call)
{
    struct http_client *client = call->client;
    if (client->is_inside_curl) {
        io_timer_stop(call->deadline);
        list_remove(&call->node);
        list_push(&client->doomed, &call->node);
        return;
    }
    detach(call);
    http_breaker_forget(&client->breaker);
    free_call(call);
    start_waiting(client);
}

/* ---- The client ---- */

static once_flag curl_once = ONCE_FLAG_INIT;

static void init_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        base_abort("libcurl cannot be initialised");
}

struct http_client *http_client_create(struct io_loop *loop,
                                       const struct http_client_options *options)
{
    call_once(&curl_once, init_curl);
    assert(!options->guard || !options->unix_path);
    struct http_client *client = mem_new(struct http_client);
    *client = (struct http_client){ .loop = loop, .options = *options };
    list_init(&client->waiting);
    list_init(&client->running);
    list_init(&client->doomed);
    list_init(&client->sockets);
    client->unix_path = options->unix_path ? mem_cstr(str_of_c(options->unix_path)) : NULL;
    client->user_agent = mem_cstr(str_of_c(options->user_agent));
    client->timer = io_timer_create(loop, on_timer, client);
    http_breaker_init(&client->breaker, &options->breaker);
    client->stats.breaker_since_us = clock_wall_us();
    client->multi = curl_multi_init();
    if (!client->multi)
        base_abort("libcurl: out of memory");
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)options->running_max);
    return client;
}

void http_client_destroy(struct http_client *client)
{
    if (!client)
        return;
    assert(!client->is_inside_curl);
    struct list *lists[] = { &client->running, &client->waiting };
    for (size_t i = 0; i < countof(lists); i++)
        while (!list_is_empty(lists[i])) {
            struct http_call *call = container_of(lists[i]->next, struct http_call, node);
            detach(call);
            free_call(call);
        }
    (void)curl_multi_cleanup(client->multi);
    while (!list_is_empty(&client->sockets))
        free_socket(container_of(client->sockets.next, struct socket, node));
    io_timer_destroy(client->timer);
    mem_free(client->unix_path);
    mem_free(client->user_agent);
    mem_free(client);
}

struct str http_reply_header(const struct http_reply *reply, struct str name)
{
    struct str rest = reply->headers, line, key, value, found = { 0 };
    while (rest.len) {
        (void)str_cut(rest, '\n', &line, &rest);
        if (str_cut(line, ':', &key, &value) && str_eq_nocase(key, name))
            found = str_trim(value);
    }
    return found;
}

struct http_client_stats http_client_stats(const struct http_client *client)
{
    return client->stats;
}
