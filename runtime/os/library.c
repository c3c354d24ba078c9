/* library: dlopen, with the one question dlclose doesn't answer (is it really gone?) asked afterwards. */
#include "runtime/os/library.h"

#include "runtime/base/memory.h"

#include <dlfcn.h>
#include <stddef.h>

/* A slice's own functions win over those of the program's libraries that happen to share a name with them (a
 * slice with a json_string() of its own was once bound to jansson's). The sanitizers refuse the flag. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(SANITIZED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { OPEN_MODE = RTLD_NOW | RTLD_LOCAL };
#else
enum { OPEN_MODE = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND };
#endif

struct library {
    void *handle;
    char *path;
};

static enum status library_open(void *context, const char *path, struct library **out_library,
                                struct error *error)
{
    (void)context;
    void *handle = dlopen(path, OPEN_MODE);
    if (handle == NULL) {
        const char *text = dlerror();
        return error_set(error, STATUS_INVALID, "%s", text != NULL ? text : path);
    }
    struct library *library = memory_zalloc(sizeof *library);
    library->handle = handle;
    library->path = memory_strdup(path);
    *out_library = library;
    return STATUS_OK;
}

static void *library_symbol(void *context, struct library *library, const char *name)
{
    (void)context;
    return dlsym(library->handle, name);
}

static bool library_close(void *context, struct library **library)
{
    (void)context;
    struct library *closed = *library;
    if (closed == NULL) return true;
    *library = NULL;
    bool gone = dlclose(closed->handle) == 0;
    void *still = gone ? dlopen(closed->path, RTLD_NOW | RTLD_NOLOAD) : NULL;
    if (still != NULL) {
        gone = false;
        (void)dlclose(still); /* Undoes only the look-up. */
    }
    memory_free(closed->path);
    memory_free(closed);
    return gone;
}

const struct library_port library_os = {
    .open = library_open,
    .symbol = library_symbol,
    .close = library_close,
};
