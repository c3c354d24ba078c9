/* artifact_messages: local messages between artifact_store, which owns the bytes on this node's disk, and
 * artifact_keeper, which knows what the cluster agreed to keep (wire/kinds.h 1420-1429). What crosses nodes
 * is in wire/proto/artifact.proto. Strings and lists are in the message's arena. */
#ifndef AETHER_ACTORS_SLICE_ARTIFACT_MESSAGES_H
#define AETHER_ACTORS_SLICE_ARTIFACT_MESSAGES_H

#include "actors/slice/messages.h"

enum {
    ARTIFACT_PIECE_BYTES = 256 * 1024, /* At most, between nodes and from clients. */
    ARTIFACT_COPIES = 3,               /* Nodes that keep an artifact, where there are so many, */
    ARTIFACT_COPIES_MIN = 2,           /* and without which no push is acknowledged, where there are two. */
};

/* keeper -> TO_ARTIFACT_STORE, an ask: one piece of an upload (the attachment; none: how far is it?).
 * Answered KIND_ARTIFACT_RECEIVED; `whole`: all bytes are in the cache, hashed, an object of this platform,
 * and signed where this node has keys. INVALID: a piece that is too large, leaves a gap, or goes beyond the
 * size; a size beyond limits.artifact-size; no object. CORRUPT: the bytes have another hash, or no good
 * signature: they are forgotten. OVERLOADED: too many uploads, or no room in the cache. */
struct artifact_receive { /* KIND_ARTIFACT_RECEIVE */
    const char *artifact; /* For people. */
    char sha256[SHA256_TEXT_SIZE];
    uint64_t size_bytes; /* Of all. */
    uint64_t offset;
    const char *signature; /* Hex; "" = none. */
};
struct artifact_received { /* KIND_ARTIFACT_RECEIVED */
    uint64_t offset;       /* So many bytes are here. */
    bool whole;
};

/* keeper -> TO_ARTIFACT_STORE, an ask, whenever it changes and again and again: what must not be evicted.
 * Answered KIND_ARTIFACT_PINNED: what of `kept` is not on this disk. The lists replace the former ones. */
struct artifact_pin {
    char sha256[SHA256_TEXT_SIZE];
    bool kept; /* The cluster counts on this node's copy; else an instance here runs from it. */
};
struct artifact_pins {               /* KIND_ARTIFACT_PINS */
    const struct artifact_pin *pins; /* Ascending by sha256, each once. */
    uint32_t pin_count;
};
struct artifact_pinned {        /* KIND_ARTIFACT_PINNED */
    const char *const *missing; /* SHA-256 texts. */
    uint32_t missing_count;
};

/* store -> TO_ARTIFACT_KEEPER, an ask: does the cluster keep this? Answered KIND_ARTIFACT_LOCATED, or refused
 * NOT_FOUND. `resolves`: the answer is as fresh as the request (a read barrier goes first), and `artifact`
 * may be a range, LATEST or RELEASE: the highest that fits is told. Else it is exact, and with a sha256 only
 * an entry with these bytes is an answer. `anywhere`: no entry is needed, the sources are all nodes that are
 * there (a snapshot that was replaced, or a repository that is gone: somebody may still run it). */
struct artifact_locate { /* KIND_ARTIFACT_LOCATE */
    const char *artifact;
    char sha256[SHA256_TEXT_SIZE]; /* "" = whatever the entry says. */
    bool resolves;
    bool anywhere;
};
struct artifact_located { /* KIND_ARTIFACT_LOCATED */
    const char *artifact; /* Exact. */
    char sha256[SHA256_TEXT_SIZE];
    uint64_t size_bytes;        /* 0: not known. */
    const char *signature;      /* Hex; "" = none. */
    const char *const *sources; /* Nodes, without this one; those that keep it first. */
    uint32_t source_count;
};

/* store -> TO_ARTIFACT_KEEPER, a tell: what was pinned as kept is gone, or not what it was. */
struct artifact_damaged { /* KIND_ARTIFACT_DAMAGED */
    char sha256[SHA256_TEXT_SIZE];
};

#endif
