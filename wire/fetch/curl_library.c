/* curl_library: see the header. */
#include "wire/fetch/curl_library.h"

#include "runtime/base/check.h"

#include <stddef.h>
#include <string.h>

static const char library_name[] = "libcurl.so.4"; /* Its ABI since 2006. */

static const struct {
    const char *name;
    size_t offset; /* Of the pointer in struct curl_library. */
} symbols[] = {
    { "curl_global_init", offsetof(struct curl_library, global_init) },
    { "curl_easy_init", offsetof(struct curl_library, easy_init) },
    { "curl_easy_setopt", offsetof(struct curl_library, easy_setopt) },
    { "curl_easy_getinfo", offsetof(struct curl_library, easy_getinfo) },
    { "curl_easy_strerror", offsetof(struct curl_library, easy_strerror) },
    { "curl_easy_cleanup", offsetof(struct curl_library, easy_cleanup) },
    { "curl_multi_init", offsetof(struct curl_library, multi_init) },
    { "curl_multi_add_handle", offsetof(struct curl_library, multi_add_handle) },
    { "curl_multi_remove_handle", offsetof(struct curl_library, multi_remove_handle) },
    { "curl_multi_perform", offsetof(struct curl_library, multi_perform) },
    { "curl_multi_poll", offsetof(struct curl_library, multi_poll) },
    { "curl_multi_info_read", offsetof(struct curl_library, multi_info_read) },
    { "curl_multi_cleanup", offsetof(struct curl_library, multi_cleanup) },
    { "curl_slist_append", offsetof(struct curl_library, slist_append) },
    { "curl_slist_free_all", offsetof(struct curl_library, slist_free_all) },
};

/* Until the process ends: what libcurl starts for a process can't be ended safely beside other threads. */
static struct library *loaded;

enum status curl_library_open(const struct library_port *libraries, struct curl_library *out_library,
                              struct error *error)
{
    bool first = loaded == NULL;
    if (first && libraries->open(libraries->context, library_name, &loaded, error) != STATUS_OK)
        return error_set(error, STATUS_IO, "libcurl is not installed here (%s)", library_name);
    for (size_t i = 0; i < ARRAY_COUNT(symbols); i++) {
        void *symbol = libraries->symbol(libraries->context, loaded, symbols[i].name);
        if (symbol == NULL) return error_set(error, STATUS_IO, "%s has no %s", library_name, symbols[i].name);
        memcpy((char *)out_library + symbols[i].offset, &symbol, sizeof symbol);
    }
    if (first && out_library->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(error, STATUS_IO, "libcurl doesn't start");
    return STATUS_OK;
}
