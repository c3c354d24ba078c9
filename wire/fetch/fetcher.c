/* fetcher: the node's downloads, all on one thread, in one multi handle.
 * Learns  what to fetch from artifact_store; its mailbox wakes the multi handle, so a stop never waits for a
 *         server.
 * Owns    the transfers under way and their files while they are written.
 * Limits  TRANSFERS_MAX at a time, then OVERLOADED; REDIRECTS_MAX, never from https to http; CONNECT_MS to
 *         connect, and a transfer slower than 1 KiB/s for STALL_S seconds is given up. A connection that
 * breaks in the middle of a file is taken up where it broke, RESUMES_MAX times, under the entity that it
 * began with (If-Range, RFC 9110 section 13.1.5). A size that is too large ends it, said in a header or come
 * in bytes; a size that is said is believed by nobody. */
#include "wire/fetch/fetcher.h"

#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/port/fetch.h"
#include "wire/fetch/curl_library.h"
#include "wire/kinds.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    TRANSFERS_MAX = 16,
    REDIRECTS_MAX = 5,
    RESUMES_MAX = 8,
    VALIDATOR_MAX = 256,
    CONNECT_MS = 5000,
    STALL_S = 20,
    TIMEOUT_S = 600,
    WAIT_MAX_MS = 60000
};
static const int64_t PROGRESS_NS = SECONDS(1);

struct transfer {
    struct fetcher *fetcher;
    struct message *request; /* Kept; owed one answer. */
    CURL *easy;
    struct file file;
    bool has_file;
    bool retried;         /* Once from the start, where a server can't continue. */
    uint64_t begun_bytes; /* Where this attempt began. */
    uint64_t bytes;       /* Of the file: continued and new. */
    uint32_t resumes;
    char validator[VALIDATOR_MAX]; /* Strong ETag, else the date, of what comes; "" = none. */
    struct curl_slist *headers;    /* Ours; or NULL. */
    int64_t deadline_ns;
    int64_t told_ns; /* When the asker heard of it last. */
    struct text memory;
    struct error error; /* Of writing; status OK = none. */
    char curl_error[CURL_ERROR_SIZE];
};

struct fetcher {
    const struct file_port *files;
    const struct library_port *libraries;
    struct curl_library curl;
    CURLM *multi; /* NULL until the first transfer: libcurl isn't even loaded. */
    int wake_fd;
    uint32_t stall_s;
    struct transfer *transfers[TRANSFERS_MAX];
    uint32_t transfer_count;
};

static const struct fetch *fetch_of(const struct transfer *transfer)
{
    return transfer->request->body;
}

/* --- a transfer ---------------------------------------------------------------------------------------- */

static void note_too_large(struct transfer *transfer)
{
    (void)error_set(&transfer->error, STATUS_INVALID, "larger than the %llu bytes that are allowed",
                    (unsigned long long)fetch_of(transfer)->size_bytes_max);
}

static size_t on_data(char *data, size_t unit, size_t count, void *context)
{
    struct transfer *transfer = context;
    const struct fetch *fetch = fetch_of(transfer);
    const struct file_port *files = transfer->fetcher->files;
    size_t size = unit * count;
    if (transfer->bytes > fetch->size_bytes_max || size > fetch->size_bytes_max - transfer->bytes) {
        note_too_large(transfer);
        return CURL_WRITEFUNC_ERROR;
    }
    enum status status = STATUS_OK;
    if (transfer->has_file)
        status = files->write(files->context, &transfer->file, data, size, &transfer->error);
    else text_add_bytes(&transfer->memory, data, size);
    if (status != STATUS_OK) return CURL_WRITEFUNC_ERROR;
    transfer->bytes += size;
    return size;
}

/* "ETag: \"...\"" and "Last-Modified: ..." of the answer that counts: the last one, after all redirects. A
 * weak ETag says nothing about bytes. */
static size_t on_header(char *data, size_t unit, size_t count, void *context)
{
    static const char etag[] = "etag:", date[] = "last-modified:";
    struct transfer *transfer = context;
    size_t size = unit * count;
    char line[VALIDATOR_MAX + 16];
    size_t length = size < sizeof line - 1 ? size : sizeof line - 1;
    memcpy(line, data, length);
    line[length] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    bool is_etag = strncasecmp(line, etag, sizeof etag - 1) == 0;
    bool is_date = strncasecmp(line, date, sizeof date - 1) == 0;
    if (strncmp(line, "HTTP/", 5) == 0) transfer->validator[0] = '\0';
    if (!is_etag && !is_date) return size;
    const char *value = line + (is_etag ? sizeof etag : sizeof date) - 1;
    value += strspn(value, " \t");
    if (is_etag ? value[0] == '"' : transfer->validator[0] == '\0')
        if (!text_copy(transfer->validator, sizeof transfer->validator, value)) transfer->validator[0] = '\0';
    return size;
}

static void close_file(struct transfer *transfer)
{
    const struct file_port *files = transfer->fetcher->files;
    if (transfer->has_file) files->close(files->context, &transfer->file);
    transfer->has_file = false;
}

static void transfer_destroy(struct transfer **transfer)
{
    struct transfer *gone = *transfer;
    const struct curl_library *curl = &gone->fetcher->curl;
    *transfer = NULL;
    if (gone->easy != NULL) {
        (void)curl->multi_remove_handle(gone->fetcher->multi, gone->easy);
        curl->easy_cleanup(gone->easy);
    }
    if (gone->headers != NULL) curl->slist_free_all(gone->headers);
    close_file(gone);
    text_fini(&gone->memory);
    message_destroy(&gone->request);
    memory_free(gone);
}

/* Opens the file at its end, so that what is there is continued. */
static enum status open_file(struct transfer *transfer, struct error *error)
{
    const struct fetch *fetch = fetch_of(transfer);
    const struct file_port *files = transfer->fetcher->files;
    if (fetch->path == NULL) return STATUS_OK;
    uint64_t size = 0;
    if (files->size(files->context, fetch->path, &size, NULL) != STATUS_OK) size = 0;
    enum status status = files->open(files->context, fetch->path, FILE_APPEND, &transfer->file, error);
    if (status != STATUS_OK) return status;
    transfer->has_file = true;
    transfer->begun_bytes = transfer->bytes = size;
    return STATUS_OK;
}

static bool set_credentials(struct transfer *transfer, const char *credentials)
{
    static const char bearer[] = "bearer:";
    const struct curl_library *curl = &transfer->fetcher->curl;
    if (credentials == NULL || credentials[0] == '\0') return true;
    if (text_starts_with(credentials, bearer))
        return curl->easy_setopt(transfer->easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER) == CURLE_OK &&
               curl->easy_setopt(transfer->easy, CURLOPT_XOAUTH2_BEARER, credentials + sizeof bearer - 1) ==
                   CURLE_OK;
    return curl->easy_setopt(transfer->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) == CURLE_OK &&
           curl->easy_setopt(transfer->easy, CURLOPT_USERPWD, credentials) == CURLE_OK;
}

/* Of each attempt: what is left of the time, and from where. */
static bool set_attempt(struct transfer *transfer, int64_t now_ns)
{
    CURL *easy = transfer->easy;
    const struct curl_library *curl = &transfer->fetcher->curl;
    int64_t left_ms = (transfer->deadline_ns - now_ns) / MILLISECONDS(1);
    bool fine = curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(left_ms > 0 ? left_ms : 1)) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)transfer->bytes) == CURLE_OK;
    transfer->begun_bytes = transfer->bytes;
    if (transfer->headers != NULL) curl->slist_free_all(transfer->headers);
    transfer->headers = NULL;
    if (transfer->bytes > 0 && transfer->validator[0] != '\0') {
        char line[VALIDATOR_MAX + 16];
        (void)snprintf(line, sizeof line, "If-Range: %s", transfer->validator);
        transfer->headers = curl->slist_append(NULL, line);
    }
    return fine && curl->easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK;
}

static bool set_options(struct transfer *transfer, int64_t now_ns)
{
    CURL *easy = transfer->easy;
    const struct curl_library *curl = &transfer->fetcher->curl;
    const struct fetch *fetch = fetch_of(transfer);
    bool fine = curl->easy_setopt(easy, CURLOPT_URL, fetch->url) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https,file") == CURLE_OK;
    const char *to = text_starts_with(fetch->url, "https:") ? "https" : "http,https";
    fine &= curl->easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, to) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_FAILONERROR, 1L) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1024L) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)transfer->fetcher->stall_s) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_USERAGENT, "aether/" AETHER_VERSION) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_HEADERDATA, transfer) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)fetch->size_bytes_max) == CURLE_OK;
    return fine && set_credentials(transfer, fetch->credentials) && set_attempt(transfer, now_ns);
}

static enum status start_curl(struct fetcher *fetcher, struct error *error)
{
    if (fetcher->multi != NULL) return STATUS_OK;
    enum status status = curl_library_open(fetcher->libraries, &fetcher->curl, error);
    if (status != STATUS_OK) return status;
    fetcher->multi = fetcher->curl.multi_init();
    return fetcher->multi != NULL ? STATUS_OK : error_set(error, STATUS_IO, "libcurl doesn't start");
}

static void on_fetch(struct actor *self, void *state, const struct message *message)
{
    struct fetcher *fetcher = state;
    if (fetcher->transfer_count == TRANSFERS_MAX) {
        actor_refuse(self, message, STATUS_OVERLOADED);
        return;
    }
    int64_t now_ns = actor_now_ns(self);
    struct transfer *transfer = memory_zalloc(sizeof *transfer);
    transfer->fetcher = fetcher;
    transfer->deadline_ns = message->deadline_ns != 0 ? message->deadline_ns : now_ns + SECONDS(TIMEOUT_S);
    transfer->request = actor_keep(self);
    struct error error;
    enum status status = start_curl(fetcher, &error);
    if (status == STATUS_OK) status = open_file(transfer, &error);
    if (status == STATUS_OK) {
        transfer->easy = fetcher->curl.easy_init();
        CHECK(transfer->easy != NULL); /* Out of memory. */
        if (!set_options(transfer, now_ns))
            status = error_set(&error, STATUS_INVALID, "%s can't be fetched", fetch_of(transfer)->url);
    }
    if (status == STATUS_OK && fetcher->curl.multi_add_handle(fetcher->multi, transfer->easy) != CURLM_OK)
        status = error_set(&error, STATUS_IO, "libcurl takes no more transfers");
    if (status != STATUS_OK) {
        actor_refuse_error(self, transfer->request, &error);
        transfer_destroy(&transfer);
        return;
    }
    fetcher->transfers[fetcher->transfer_count++] = transfer;
}

/* --- its end ------------------------------------------------------------------------------------------- */

static enum status status_of(CURLcode code, long http)
{
    if (http == 404 || http == 410) return STATUS_NOT_FOUND;
    if (http == 401 || http == 403) return STATUS_DENIED;
    switch (code) {
    case CURLE_OK: return STATUS_OK;
    case CURLE_FILE_COULDNT_READ_FILE: return STATUS_NOT_FOUND;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT: return STATUS_INVALID;
    case CURLE_OPERATION_TIMEDOUT: return STATUS_DEADLINE;
    default: return STATUS_IO;
    }
}

/* What whoever runs the repository, or names it in a configuration, can do about it. NULL: nothing special.
 */
static const char *advice_of(CURLcode code, long http)
{
    if (http == 401 || http == 403)
        return "give the repository's entry in the node's configuration credentials that may read this";
    if (http >= 500) return "the repository has trouble of its own: again in a moment";
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return "have the node's system trust who signed the server's certificate (ca-certificates)";
    case CURLE_SSL_CONNECT_ERROR:
        return "does the repository speak https there? Its url may have to begin with http://";
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT: return "is the repository up, and its url in the node's configuration right?";
    default: return NULL;
    }
}

static bool attempt_again(struct transfer *transfer, int64_t now_ns)
{
    const struct curl_library *curl = &transfer->fetcher->curl;
    (void)curl->multi_remove_handle(transfer->fetcher->multi, transfer->easy);
    transfer->curl_error[0] = '\0';
    return set_attempt(transfer, now_ns) &&
           curl->multi_add_handle(transfer->fetcher->multi, transfer->easy) == CURLM_OK;
}

/* A server that can't continue, or has another file by now: begin again from the start, once. */
static bool restart(struct transfer *transfer, CURLcode code, long http, int64_t now_ns)
{
    const struct fetch *fetch = fetch_of(transfer);
    const struct file_port *files = transfer->fetcher->files;
    bool refused = code == CURLE_RANGE_ERROR || code == CURLE_BAD_DOWNLOAD_RESUME || http == 416;
    if (!refused || transfer->retried || transfer->begun_bytes == 0) return false;
    transfer->retried = true;
    close_file(transfer);
    struct error error;
    if (files->remove(files->context, fetch->path, &error) != STATUS_OK) return false;
    if (open_file(transfer, &error) != STATUS_OK) return false;
    return attempt_again(transfer, now_ns);
}

/* A connection that broke in the middle of a file, and had brought something. */
static bool resume(struct transfer *transfer, CURLcode code, int64_t now_ns)
{
    bool broke = code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
                 code == CURLE_HTTP2_STREAM;
    if (!broke || !transfer->has_file || transfer->error.status != STATUS_OK) return false;
    if (transfer->bytes == transfer->begun_bytes || transfer->resumes == RESUMES_MAX) return false;
    transfer->resumes++;
    return attempt_again(transfer, now_ns);
}

static void answer(struct actor *self, struct transfer *transfer, CURLcode code, long http)
{
    if (code == CURLE_FILESIZE_EXCEEDED && http < 400) note_too_large(transfer); /* Else: of an error page. */
    struct error error = transfer->error;
    if (error.status == STATUS_OK && (code != CURLE_OK || http >= 400)) {
        const char *why = transfer->curl_error[0] != '\0' ? transfer->curl_error
                                                          : transfer->fetcher->curl.easy_strerror(code);
        (void)error_set(&error, status_of(code, http), "%s", why);
        const char *advice = advice_of(code, http);
        if (advice != NULL) error_hint(&error, "%s", advice);
    }
    const struct file_port *files = transfer->fetcher->files;
    if (error.status == STATUS_OK && transfer->has_file)
        (void)files->sync(files->context, &transfer->file, &error);
    if (error.status != STATUS_OK) {
        (void)error_wrap(&error, "%s", fetch_of(transfer)->url);
        actor_refuse_error(self, transfer->request, &error);
        return;
    }
    struct message *reply = message_create(KIND_FETCHED, sizeof(struct fetched));
    ((struct fetched *)reply->body)->size_bytes = transfer->bytes;
    if (!transfer->has_file) {
        struct bytes *bytes = bytes_copy(transfer->memory.data, transfer->memory.size);
        message_attach(reply, &bytes);
    }
    actor_reply(self, transfer->request, &reply);
}

static void finish(struct actor *self, struct fetcher *fetcher, struct transfer *transfer, CURLcode code)
{
    long http = 0;
    (void)fetcher->curl.easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http);
    int64_t now_ns = actor_now_ns(self);
    if (restart(transfer, code, http, now_ns) || resume(transfer, code, now_ns)) return;
    answer(self, transfer, code, http);
    for (uint32_t i = 0; i < fetcher->transfer_count; i++) {
        if (fetcher->transfers[i] != transfer) continue;
        fetcher->transfers[i] = fetcher->transfers[--fetcher->transfer_count];
        break;
    }
    transfer_destroy(&transfer);
}

/* One of our own, which is there before libcurl is. */
static void sleep_until_woken(const struct fetcher *fetcher, int timeout_ms)
{
    struct pollfd own = { .fd = fetcher->wake_fd, .events = POLLIN };
    struct curl_waitfd other = { .fd = fetcher->wake_fd, .events = CURL_WAIT_POLLIN };
    if (fetcher->multi == NULL) (void)poll(&own, 1, timeout_ms);
    else
        (void)fetcher->curl.multi_poll(fetcher->multi, &other, 1, timeout_ms,
                                       NULL); /* Sooner, for its timers. */
    uint64_t wakes;
    (void)!read(fetcher->wake_fd, &wakes, sizeof wakes);
}

static void finish_done(struct actor *self, struct fetcher *fetcher)
{
    int left;
    for (CURLMsg *note; (note = fetcher->curl.multi_info_read(fetcher->multi, &left)) != NULL;) {
        if (note->msg != CURLMSG_DONE) continue;
        struct transfer *transfer = NULL;
        CURLcode code = note->data.result; /* The note goes with the handle. */
        (void)fetcher->curl.easy_getinfo(note->easy_handle, CURLINFO_PRIVATE, &transfer);
        finish(self, fetcher, transfer, code);
    }
}

static void tell_progress(struct actor *self, struct fetcher *fetcher)
{
    int64_t now_ns = actor_now_ns(self);
    for (uint32_t i = 0; i < fetcher->transfer_count; i++) {
        struct transfer *transfer = fetcher->transfers[i];
        curl_off_t length = 0;
        if (!fetch_of(transfer)->tells_progress || now_ns - transfer->told_ns < PROGRESS_NS) continue;
        if (transfer->bytes == 0) continue;
        transfer->told_ns = now_ns;
        (void)fetcher->curl.easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        struct message *message = message_create(KIND_FETCH_PROGRESS, sizeof(struct fetch_progress));
        *(struct fetch_progress *)message->body = (struct fetch_progress){
            .tag = fetch_of(transfer)->tag,
            .done_bytes = transfer->bytes,
            .total_bytes = length > 0 ? transfer->begun_bytes + (uint64_t)length : 0,
        };
        actor_tell(self, transfer->request->sender, &message);
    }
}

static void fetcher_wait(struct actor *self, void *state, int64_t timeout_ns)
{
    struct fetcher *fetcher = state;
    int64_t asked_ms = timeout_ns < 0 ? WAIT_MAX_MS : timeout_ns / MILLISECONDS(1) + (timeout_ns > 0);
    int timeout_ms = (int)(asked_ms < WAIT_MAX_MS ? asked_ms : WAIT_MAX_MS);
    int running = 0;
    if (fetcher->multi != NULL) (void)fetcher->curl.multi_perform(fetcher->multi, &running);
    if (running == (int)fetcher->transfer_count) sleep_until_woken(fetcher, timeout_ms);
    if (fetcher->multi == NULL) return;
    (void)fetcher->curl.multi_perform(fetcher->multi, &running);
    finish_done(self, fetcher);
    tell_progress(self, fetcher);
}

static void fetcher_wake(void *state)
{
    const struct fetcher *fetcher = state;
    const uint64_t one = 1;
    (void)!write(fetcher->wake_fd, &one, sizeof one); /* Full means awake. */
}

/* --- life ---------------------------------------------------------------------------------------------- */

static enum status fetcher_init(struct actor *self, void *state, const void *options, struct error *error)
{
    (void)self, (void)error;
    struct fetcher *fetcher = state;
    const struct fetcher_options *given = options;
    fetcher->files = given->files;
    fetcher->libraries = given->libraries;
    fetcher->stall_s = given->stall_s == 0 ? STALL_S : given->stall_s;
    fetcher->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CHECK(fetcher->wake_fd >= 0); /* Out of descriptors: the daemon can't go on, and comes back. */
    return STATUS_OK;
}

static void fetcher_fini(void *state)
{
    struct fetcher *fetcher = state;
    while (fetcher->transfer_count > 0)
        transfer_destroy(&fetcher->transfers[--fetcher->transfer_count]);
    if (fetcher->multi != NULL) (void)fetcher->curl.multi_cleanup(fetcher->multi);
    (void)close(fetcher->wake_fd);
}

static const struct behavior_row rows[] = {
    { KIND_FETCH, on_fetch },
};

const struct behavior fetcher_behavior = {
    .name = "fetcher",
    .state_size = sizeof(struct fetcher),
    .home = ACTOR_PINNED,
    .mailbox_capacity = 256,
    .init = fetcher_init,
    .fini = fetcher_fini,
    .rows = rows,
    .row_count = ARRAY_COUNT(rows),
    .wait = fetcher_wait,
    .wake = fetcher_wake,
};
