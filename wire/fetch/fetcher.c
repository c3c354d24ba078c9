/* fetcher: the node's downloads, all on one thread, in one multi handle.
 * Learns  what to fetch from artifact_store; its mailbox wakes the multi handle, so a stop never waits for a
 *         server.
 * Owns    the transfers under way and their files while they are written.
 * Limits  TRANSFERS_MAX at a time, then OVERLOADED; REDIRECTS_MAX; CONNECT_MS to connect, and a transfer
 * slower than 1 KiB/s for STALL_S seconds is given up; the size in the request is checked as bytes come, not
 *         believed from a header. */
#include "wire/fetch/fetcher.h"

#include "runtime/base/memory.h"
#include "runtime/base/text.h"
#include "runtime/port/fetch.h"
#include "wire/fetch/curl_library.h"
#include "wire/kinds.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    TRANSFERS_MAX = 16,
    REDIRECTS_MAX = 5,
    CONNECT_MS = 5000,
    STALL_S = 20,
    TIMEOUT_S = 600,
    WAIT_MAX_MS = 60000
};

struct transfer {
    struct fetcher *fetcher;
    struct message *request; /* Kept; owed one answer. */
    CURL *easy;
    struct file file;
    bool has_file;
    bool retried; /* Once from the start, where a server can't continue. */
    uint64_t begun_bytes;
    uint64_t bytes; /* Of the file: continued and new. */
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
    struct transfer *transfers[TRANSFERS_MAX];
    uint32_t transfer_count;
};

static const struct fetch *fetch_of(const struct transfer *transfer)
{
    return transfer->request->body;
}

/* --- a transfer ---------------------------------------------------------------------------------------- */

static size_t on_data(char *data, size_t unit, size_t count, void *context)
{
    struct transfer *transfer = context;
    const struct fetch *fetch = fetch_of(transfer);
    const struct file_port *files = transfer->fetcher->files;
    size_t size = unit * count;
    if (size > fetch->size_bytes_max - transfer->bytes) {
        (void)error_set(&transfer->error, STATUS_INVALID, "larger than the %llu bytes that are allowed",
                        (unsigned long long)fetch->size_bytes_max);
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

static bool set_options(struct transfer *transfer, int64_t budget_ms)
{
    CURL *easy = transfer->easy;
    const struct curl_library *curl = &transfer->fetcher->curl;
    const struct fetch *fetch = fetch_of(transfer);
    bool fine = curl->easy_setopt(easy, CURLOPT_URL, fetch->url) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https,file") == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https") == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_FAILONERROR, 1L) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1024L) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)STALL_S) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)budget_ms) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_USERAGENT, "aether/" AETHER_VERSION) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_error) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_PRIVATE, transfer) == CURLE_OK;
    fine &= curl->easy_setopt(easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)transfer->bytes) == CURLE_OK;
    return fine && set_credentials(transfer, fetch->credentials);
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
    int64_t budget_ms = (int64_t)TIMEOUT_S * 1000;
    if (message->deadline_ns != 0) budget_ms = (message->deadline_ns - actor_now_ns(self)) / MILLISECONDS(1);
    struct transfer *transfer = memory_zalloc(sizeof *transfer);
    transfer->fetcher = fetcher;
    transfer->request = actor_keep(self);
    struct error error;
    enum status status = start_curl(fetcher, &error);
    if (status == STATUS_OK) status = open_file(transfer, &error);
    if (status == STATUS_OK) {
        transfer->easy = fetcher->curl.easy_init();
        CHECK(transfer->easy != NULL); /* Out of memory. */
        if (!set_options(transfer, budget_ms > 0 ? budget_ms : 1))
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

/* A server that can't continue: begin again from the start, once. */
static bool restart(struct transfer *transfer, CURLcode code, long http)
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
    const struct curl_library *curl = &transfer->fetcher->curl;
    (void)curl->multi_remove_handle(transfer->fetcher->multi, transfer->easy);
    (void)curl->easy_setopt(transfer->easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)0);
    return curl->multi_add_handle(transfer->fetcher->multi, transfer->easy) == CURLM_OK;
}

static void answer(struct actor *self, struct transfer *transfer, CURLcode code, long http)
{
    struct error error = transfer->error;
    if (error.status == STATUS_OK && (code != CURLE_OK || http >= 400)) {
        const char *why = transfer->curl_error[0] != '\0' ? transfer->curl_error
                                                          : transfer->fetcher->curl.easy_strerror(code);
        (void)error_set(&error, status_of(code, http), "%s", why);
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
    if (restart(transfer, code, http)) return;
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
