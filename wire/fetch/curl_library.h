/* curl_library: libcurl, loaded when the first download needs it. With what it brings along (TLS, Kerberos,
 * LDAP) it is half of an idle node's memory, and most nodes never fetch anything. */
#ifndef AETHER_WIRE_FETCH_CURL_LIBRARY_H
#define AETHER_WIRE_FETCH_CURL_LIBRARY_H

#include "runtime/port/library.h"

#include <curl/curl.h>

/* The functions of the same names. */
struct curl_library {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
    const char *(*easy_strerror)(CURLcode code);
    void (*easy_cleanup)(CURL *easy);
    CURLM *(*multi_init)(void);
    CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
    CURLMcode (*multi_perform)(CURLM *multi, int *out_running);
    CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd items[], unsigned count, int timeout_ms,
                            int *out_ready);
    CURLMsg *(*multi_info_read)(CURLM *multi, int *out_left);
    CURLMcode (*multi_cleanup)(CURLM *multi);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *line);
    void (*slist_free_all)(struct curl_slist *list);
};

/* Stays loaded for good, as its own libraries would. IO: it isn't there, or too old. Not thread-safe. */
MUST_CHECK enum status curl_library_open(const struct library_port *libraries,
                                         struct curl_library *out_library, struct error *error);

#endif
