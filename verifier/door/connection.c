/* One connection: TLS, then requests one after the other. What may fail ends it; every stage has a time for all of it. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verifier/door/door.h"
#include "verifier/door/http_reply.h"
#include "verifier/door/tls.h"

#define READS_AT_ONCE 8 /* then it is another connection's turn */

/* A request whose head is read. */
struct request {
    const char *method, *path;
    const char *authorization; /* NULL: none */
    const char *cookie;        /* NULL: none */
    const char *query, *content_type, *accept;
    size_t length;
    bool is_chunked, keeps_alive;
    struct clo_http_chunks chunks;
    struct clo_buffer body; /* that came in chunks */
    size_t large;           /* bytes of the large bodies' share that it has */
    char text[];            /* of the strings */
};

/* An answer that waits for the disk. */
struct held {
    struct clo_broker_answer answer;
    bool is_head;
};

static void free_held(struct connection *c)
{
    if (c->held == NULL)
        return;
    TAILQ_REMOVE(&c->worker->held, c, waiting);
    clo_broker_answer_free(&c->held->answer);
    free(c->held);
    c->held = NULL;
}

static void free_request(struct connection *c)
{
    if (c->request == NULL)
        return;
    atomic_fetch_add(&c->worker->door->large_bodies, c->request->large);
    clo_buffer_free(&c->request->body);
    free(c->request);
    c->request = NULL;
}

void connection_free(struct connection *c)
{
    struct door *door = c->worker->door;

    free_request(c);
    free_held(c);
    event_del(&c->readable);
    event_del(&c->writable);
    TAILQ_REMOVE(&c->worker->all, c, all);
    if (c->is_waiting)
        TAILQ_REMOVE(&c->worker->waiting, c, waiting);
    SSL_free(c->tls);
    SSL_CTX_free(c->tls_context);
    free(c->shown.subject);
    close(c->fd);
    clo_addresses_leave(door->addresses, c->address);
    atomic_fetch_sub(&c->worker->count, 1);
    atomic_fetch_sub(&door->connections, 1);
    clo_buffer_free(&c->in);
    clo_buffer_free(&c->out);
    free(c);
}

/* Everything was said, and nothing of the client's is unread. */
static void close_politely(struct connection *c)
{
    ERR_clear_error();
    if (c->stage != STAGE_HANDSHAKE && c->stage != STAGE_LINGER)
        SSL_shutdown(c->tls);
    connection_free(c);
}

static void enter(struct connection *c, enum stage stage, int64_t milliseconds)
{
    bool waits = stage == STAGE_HANDSHAKE || stage == STAGE_IDLE;

    c->stage = stage;
    c->since = door_now();
    c->deadline = c->since + milliseconds;
    if (c->is_waiting)
        TAILQ_REMOVE(&c->worker->waiting, c, waiting);
    if (waits)
        TAILQ_INSERT_TAIL(&c->worker->waiting, c, waiting);
    c->is_waiting = waits;
}

/* --- TLS: every call says what it waits for --- */

/* Goes on when the socket can; false: it is over, and the connection is gone. */
static bool wait_for_tls(struct connection *c, int result)
{
    int why = SSL_get_error(c->tls, result);

    if ((why == SSL_ERROR_WANT_READ && event_add(&c->readable, NULL) == 0) ||
        (why == SSL_ERROR_WANT_WRITE && event_add(&c->writable, NULL) == 0))
        return true;
    connection_free(c);
    return false;
}

static void linger(struct connection *c)
{
    ERR_clear_error();
    SSL_shutdown(c->tls);
    shutdown(c->fd, SHUT_WR);
    clo_buffer_free(&c->in);
    free_request(c);
    enter(c, STAGE_LINGER, LINGER_MS);
    event_add(&c->readable, NULL);
}

/* Writes what is left of an answer; false: the connection is gone. */
static bool flush(struct connection *c)
{
    while (c->written < c->out.size) {
        size_t sent = 0;
        ERR_clear_error();
        int result =
                SSL_write_ex(c->tls, c->out.data + c->written, c->out.size - c->written, &sent);
        if (result != 1) {
            event_del(&c->readable); /* one request at a time */
            return wait_for_tls(c, result);
        }
        c->written += sent;
    }
    clo_buffer_free(&c->out);
    if (c->is_cut_off) {
        linger(c);
        return true;
    }
    if (!c->keeps_alive) {
        close_politely(c);
        return false;
    }
    enter(c, STAGE_IDLE, IDLE_MS);
    event_add(&c->readable, NULL);
    return true;
}

/* --- Answers --- */

static bool send_answer(struct connection *c, const struct clo_broker_answer *answer, bool is_head)
{
    const struct clo_http_reply reply = { .status = answer->status,
                                          .content_type = answer->content_type,
                                          .cookie = answer->cookie,
                                          .location = answer->location,
                                          .content_policy = answer->content_policy,
                                          .body = clo_buffer_bytes(&answer->body),
                                          .time = door_seconds(CLOCK_REALTIME),
                                          .is_head = is_head,
                                          .keeps_alive = c->keeps_alive };

    if (!clo_http_reply_write(&reply, &c->out)) {
        connection_free(c);
        return false;
    }
    c->written = 0;
    enter(c, STAGE_ANSWER, ANSWER_MS);
    return flush(c);
}

/* To what is no request that the broker could be asked. */
static bool refuse(struct connection *c, unsigned status, const char *why)
{
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };
    struct door *door = c->worker->door;

    door_count(&door->metrics, status == 413   ? DOOR_TOO_LARGE
                               : status == 408 ? DOOR_TIMED_OUT
                                               : DOOR_MALFORMED);
    const struct clo_broker_request request = { .peer = c->peer,
                                                .time = door_seconds(CLOCK_REALTIME),
                                                .clock = door_seconds(CLOCK_BOOTTIME) };
    clo_broker_refuse(door->broker, &request, status, why, &answer);
    c->keeps_alive = false;
    c->is_cut_off = true;
    return send_answer(c, &answer, false);
}

/* Looked at for each request, when something is done by it: connections last longer than certificates may. */
static bool certificate_counts(const void *connection)
{
    const struct connection *c = connection;

    return clo_tls_shown_counts(&c->shown, door_seconds(CLOCK_REALTIME), door_now(),
                                atomic_load(&c->worker->door->readings));
}

static struct clo_broker_request broker_request(const struct connection *c, struct clo_bytes body)
{
    const struct request *request = c->request;

    return (struct clo_broker_request){
        .method = request->method,
        .path = request->path,
        .query = request->query,
        .cookie = request->cookie,
        .content_type = request->content_type,
        .accept = request->accept,
        .authorization = request->authorization,
        .peer = c->peer,
        .subject = c->shown.subject,
        .subject_counts = certificate_counts,
        .connection = c,
        .body = body,
        .time = door_seconds(CLOCK_REALTIME),
        .clock = door_seconds(CLOCK_BOOTTIME),
    };
}

static int64_t microseconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

static void consume(struct clo_buffer *in, size_t size)
{
    if (size == in->size) {
        clo_buffer_free(in);
        return;
    }
    memmove(in->data, in->data + size, in->size - size);
    in->size -= size;
}

/* Nothing more is read until it is sent. */
static bool hold(struct connection *c, struct clo_broker_answer *answer, bool is_head)
{
    struct held *held = calloc(1, sizeof *held);

    if (held == NULL) {
        connection_free(c);
        return false;
    }
    held->answer = *answer;
    held->is_head = is_head;
    *answer = (struct clo_broker_answer){ 0 };
    event_del(&c->readable);
    enter(c, STAGE_HELD, ANSWER_MS);
    c->held = held;
    TAILQ_INSERT_TAIL(&c->worker->held, c, waiting);
    return true;
}

static bool give_answer(struct connection *c, struct clo_broker_answer *answer)
{
    bool is_head = strcmp(c->request->method, "HEAD") == 0;

    c->keeps_alive = c->keeps_alive && c->request->keeps_alive && !c->worker->is_draining &&
                     (c->shown.subject == NULL || certificate_counts(c));
    free_request(c);
    return clo_broker_may_send(c->worker->door->broker, answer) ? send_answer(c, answer, is_head)
                                                                : hold(c, answer, is_head);
}

static bool answer_request(struct connection *c)
{
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };
    struct door *door = c->worker->door;
    bool is_chunked = c->request->is_chunked;
    size_t length = c->request->length;
    const struct clo_broker_request request = broker_request(
            c, is_chunked ? clo_buffer_bytes(&c->request->body) : clo_bytes(c->in.data, length));
    int64_t began = microseconds();

    clo_broker_answer(door->broker, &request, &answer);
    if (strcmp(request.path, "/metrics") == 0 && answer.status == 200)
        door_metrics_write(&door->metrics, atomic_load(&door->connections),
                           clo_addresses_count(door->addresses), &answer.body);
    door_note_answer(&door->metrics, request.path, answer.status, microseconds() - began);
    if (!is_chunked)
        consume(&c->in, length);
    c->keeps_alive = true;
    return give_answer(c, &answer);
}

/* --- Requests --- */

static const char *copy(char **at, struct clo_bytes text)
{
    char *out = *at;

    if (text.data == NULL)
        return NULL;
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    *at += text.size + 1;
    return out;
}

/* The value of our cookie among others. */
static struct clo_bytes find_cookie(struct clo_bytes header)
{
    const size_t name_size = strlen(CLO_HTTP_COOKIE_NAME);

    for (size_t at = 0; at < header.size;) {
        size_t end = at;
        while (end < header.size && header.data[end] != ';')
            end++;
        while (at < end && header.data[at] == ' ')
            at++;
        if (end - at >= name_size && memcmp(header.data + at, CLO_HTTP_COOKIE_NAME, name_size) == 0)
            return clo_bytes(header.data + at + name_size, end - at - name_size);
        at = end + 1;
    }
    return (struct clo_bytes){ 0 };
}

static struct request *new_request(const struct clo_http_request *head)
{
    struct clo_bytes cookie = find_cookie(head->cookie);
    const struct clo_bytes texts[] = {
        head->method,       head->path,   head->query, head->authorization,
        head->content_type, head->accept, cookie
    };
    size_t size = sizeof(struct request);

    for (size_t i = 0; i < CLO_COUNT(texts); i++)
        size += texts[i].size + 1;
    struct request *request = calloc(1, size);

    if (request == NULL)
        return NULL;
    char *at = request->text;
    request->method = copy(&at, head->method);
    request->path = copy(&at, head->path);
    request->authorization = copy(&at, head->authorization);
    request->cookie = copy(&at, cookie);
    request->query = copy(&at, head->query);
    request->content_type = copy(&at, head->content_type);
    request->accept = copy(&at, head->accept);
    request->length = (size_t)head->length;
    request->is_chunked = head->is_chunked;
    request->keeps_alive = head->keeps_alive;
    return request;
}

/* Large bodies share what all of them may take, whatever their number. */
static bool take_share(struct connection *c, size_t limit)
{
    atomic_size_t *left = &c->worker->door->large_bodies;
    size_t size = c->request->is_chunked ? limit : c->request->length;
    size_t have = atomic_load(left);

    if (size <= SMALL_BODY)
        return true;
    do {
        if (have < size)
            return false;
    } while (!atomic_compare_exchange_weak(left, &have, have - size));
    c->request->large = size;
    return true;
}

/* A body that is here already is passed over, so that the next request can follow; else the connection ends. */
static bool answer_without_body(struct connection *c, struct clo_broker_answer *answer)
{
    bool is_here = !c->request->is_chunked && c->request->length <= c->in.size;

    door_note_answer(&c->worker->door->metrics, c->request->path, answer->status, 0);
    c->is_cut_off = !is_here;
    c->keeps_alive = is_here;
    if (is_here)
        consume(&c->in, c->request->length);
    return give_answer(c, answer);
}

static bool go_on(struct connection *c)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t sent;

    ERR_clear_error();
    if (SSL_write_ex(c->tls, text, sizeof text - 1, &sent) == 1)
        return true;
    connection_free(c); /* a client that does not read so much has not begun well */
    return false;
}

/* The head is read: everything that can be said without the body is said now. */
static bool begin_request(struct connection *c, const struct clo_http_request *head)
{
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };
    size_t limit = 0;

    c->request = new_request(head);
    if (c->request == NULL) {
        connection_free(c);
        return false;
    }
    consume(&c->in, c->scanned);
    c->scanned = 0;
    const struct clo_broker_request request = broker_request(c, clo_bytes(NULL, 0));
    if (!clo_broker_admit(c->worker->door->broker, &request, &limit, &answer))
        return answer_without_body(c, &answer);
    if (head->length > limit)
        return refuse(c, 413, "HTTP: the body is too large");
    if (limit > 0 && !head->is_chunked && !head->has_length)
        return refuse(c, 411, "HTTP: no Content-Length");
    if (!take_share(c, limit))
        return refuse(c, 503, "too many large requests at once");
    c->request->body.limit = limit;
    enter(c, STAGE_BODY, BODY_MS);
    return !head->expects_continue || c->in.size > 0 || go_on(c);
}

static bool read_head(struct connection *c, bool *needs_more)
{
    struct clo_http_request head;
    struct clo_error err;
    unsigned status;

    switch (clo_http_head_end(clo_bytes_slice(clo_buffer_bytes(&c->in), 0, CLO_HTTP_HEAD_MAX),
                              &c->scanned)) {
    case CLO_HTTP_WHOLE:
        break;
    case CLO_HTTP_MALFORMED:
        return refuse(c, 400, "HTTP: not a request");
    default:
        *needs_more = c->in.size < CLO_HTTP_HEAD_MAX;
        return *needs_more || refuse(c, 431, "HTTP: the head is too large");
    }
    if (!clo_http_request_parse(clo_bytes(c->in.data, c->scanned), &head, &status, &err))
        return refuse(c, status, err.text);
    return begin_request(c, &head);
}

static bool read_body(struct connection *c, bool *needs_more)
{
    struct request *request = c->request;
    struct clo_error err;
    unsigned status;
    size_t used;

    if (!request->is_chunked) {
        *needs_more = c->in.size < request->length;
        return *needs_more || answer_request(c);
    }
    if (request->body.limit == 0 && c->in.size > 0)
        return refuse(c, 413, "HTTP: the body is too large");
    if (!clo_http_chunks_read(&request->chunks, clo_buffer_bytes(&c->in), &used, &request->body,
                              &status, &err))
        return refuse(c, status, err.text);
    consume(&c->in, used);
    *needs_more = !request->chunks.is_whole;
    return *needs_more || answer_request(c);
}

/* As far as what came goes; false: the connection is gone. */
static bool advance(struct connection *c)
{
    for (bool needs_more = false; !needs_more;) {
        if (c->stage == STAGE_IDLE) {
            if (c->in.size == 0)
                return true;
            c->scanned = 0;
            enter(c, STAGE_HEAD, HEAD_MS);
        }
        if (c->stage != STAGE_HEAD && c->stage != STAGE_BODY)
            return true;
        if (!(c->stage == STAGE_HEAD ? read_head(c, &needs_more) : read_body(c, &needs_more)))
            return false;
    }
    return true;
}

/* --- What the socket says --- */

static bool is_answering(const struct connection *c)
{
    return c->stage == STAGE_HELD || c->stage == STAGE_ANSWER || c->stage == STAGE_LINGER;
}

/* One that says nothing costs little. */
static bool begin_tls(struct connection *c)
{
    c->tls = SSL_new(c->tls_context);
    if (c->tls == NULL || SSL_set_fd(c->tls, c->fd) != 1) {
        connection_free(c);
        return false;
    }
    SSL_set_accept_state(c->tls);
    SSL_CTX_free(c->tls_context);
    c->tls_context = NULL;
    return true;
}

/* Who has shown a certificate may have sent his request with it. Were that left unread, the end of the connection would be a
 * reset, which can overtake the alert that says why. */
static bool fail_handshake(struct connection *c, int result)
{
    door_count(&c->worker->door->metrics, DOOR_HANDSHAKES_FAILED);
    if (SSL_get_verify_result(c->tls) == X509_V_OK)
        return wait_for_tls(c, result);
    linger(c);
    return true;
}

static bool shake_hands(struct connection *c)
{
    if (c->tls == NULL && !begin_tls(c))
        return false;
    ERR_clear_error();
    int result = SSL_do_handshake(c->tls);
    if (result != 1) {
        int why = SSL_get_error(c->tls, result);
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE
                       ? wait_for_tls(c, result)
                       : fail_handshake(c, result);
    }
    door_count(&c->worker->door->metrics, DOOR_HANDSHAKES);
    if (!clo_tls_shown_read(c->tls, &c->shown)) {
        connection_free(c);
        return false;
    }
    c->shown.since = door_now();
    enter(c, STAGE_IDLE, IDLE_MS);
    return true;
}

static void read_requests(struct connection *c)
{
    for (int i = 0; i < READS_AT_ONCE; i++) {
        size_t got = 0;
        ERR_clear_error();
        int result = SSL_read_ex(c->tls, c->worker->scratch, SCRATCH_SIZE, &got);
        if (result != 1) {
            (void)wait_for_tls(c, result);
            return;
        }
        clo_buffer_append(&c->in, clo_bytes(c->worker->scratch, got));
        if (!clo_buffer_ok(&c->in)) {
            connection_free(c);
            return;
        }
        if (!advance(c) || is_answering(c))
            return;
        if (!SSL_has_pending(c->tls))
            return; /* the socket says when there is more */
    }
    event_active(&c->readable, EV_READ, 0);
}

/* Without TLS: nobody reads it. */
static void throw_away(struct connection *c)
{
    for (int i = 0; i < READS_AT_ONCE; i++) {
        ssize_t got = recv(c->fd, c->worker->scratch, SCRATCH_SIZE, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            connection_free(c);
            return;
        }
    }
}

static void go(struct connection *c)
{
    if (c->stage == STAGE_HELD)
        return;
    if (c->stage == STAGE_LINGER) {
        throw_away(c);
        return;
    }
    if (c->stage == STAGE_ANSWER && (!flush(c) || c->stage == STAGE_ANSWER || !advance(c)))
        return;
    if (c->stage == STAGE_HANDSHAKE && (!shake_hands(c) || c->stage == STAGE_HANDSHAKE))
        return;
    if (!is_answering(c))
        read_requests(c);
}

void connection_release(struct connection *c)
{
    CLO_CLEANUP(clo_broker_answer_free) struct clo_broker_answer answer = { 0 };

    if (!clo_broker_may_send(c->worker->door->broker, &c->held->answer))
        return;
    bool is_head = c->held->is_head;
    answer = c->held->answer;
    c->held->answer = (struct clo_broker_answer){ 0 };
    free_held(c);
    c->keeps_alive = c->keeps_alive && !c->worker->is_draining;
    /* What TLS has read beyond the request waits there, and the socket says nothing of it. */
    if (send_answer(c, &answer, is_head) && !is_answering(c) && advance(c) && !is_answering(c))
        event_active(&c->readable, EV_READ, 0);
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    go(context);
}

void connection_begin(struct worker *worker, const struct arrival *arrival)
{
    struct connection *c = calloc(1, sizeof *c);

    if (c == NULL) {
        worker_turn_away(worker, arrival);
        return;
    }
    setsockopt(arrival->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    c->worker = worker;
    c->fd = arrival->fd;
    c->tls_context = arrival->tls;
    c->shown.readings = arrival->readings;
    c->address = arrival->address;
    memcpy(c->peer, arrival->peer, sizeof c->peer);
    TAILQ_INSERT_TAIL(&worker->all, c, all);
    event_assign(&c->readable, worker->base, c->fd, EV_READ | EV_PERSIST, on_event, c);
    event_assign(&c->writable, worker->base, c->fd, EV_WRITE, on_event, c);
    enter(c, STAGE_HANDSHAKE, HANDSHAKE_MS);
    event_add(&c->readable, NULL);
}

/* A body has to come with a least rate, too: else 15 seconds of a few bytes each would be for everybody. */
static bool is_too_slow(const struct connection *c, int64_t now)
{
    size_t have = c->request->is_chunked ? c->request->body.size : c->in.size;
    int64_t spent = now - c->since;

    return spent > LEAST_RATE_FROM && (int64_t)have < spent * LEAST_RATE / 1000;
}

void connection_check(struct connection *c, int64_t now)
{
    bool is_over = now >= c->deadline || (c->stage == STAGE_BODY && is_too_slow(c, now));

    if (!is_over)
        return;
    if (c->stage == STAGE_HEAD || c->stage == STAGE_BODY) {
        (void)refuse(c, 408, "HTTP: the request takes too long");
        return;
    }
    if (c->stage != STAGE_IDLE && c->stage != STAGE_LINGER)
        door_count(&c->worker->door->metrics, DOOR_TIMED_OUT);
    close_politely(c);
}

void connection_drain(struct connection *c)
{
    if (c->stage == STAGE_HANDSHAKE || c->stage == STAGE_IDLE)
        close_politely(c);
}
