/* explain: see the header. The words come from the node; what each outcome means, from wire/outcome.c. */
#include "cli/explain.h"

#include "cli/render.h"
#include "wire/outcome.h"

static void line(struct text *out, const char *title, const char *words)
{
    text_printf(out, "%-9s", title);
    render_line(out, words);
    text_add(out, "\n");
}

static void milliseconds(struct text *out, int64_t us)
{
    text_printf(out, "%lld.%01lld ms", (long long)(us / 1000), (long long)(us % 1000 / 100));
}

static void attempt_words(struct text *out, size_t number, const struct value *attempt)
{
    const char *node = value_get_string(attempt, "node", "");
    const char *message = value_get_string(attempt, "message", "");
    text_printf(out, "attempt  %zu: ", number);
    if (node[0] == '\0') {
        text_add(out, "no instance could be asked");
    } else {
        render_line(out, value_get_string(attempt, "artifact", ""));
        text_printf(out, "#%lld on node ", (long long)value_get_integer(attempt, "instance", 0));
        render_line(out, node);
    }
    text_add(out, ", ");
    render_line(out, value_get_string(attempt, "outcome", ""));
    text_add(out, " after ");
    milliseconds(out, value_get_integer(attempt, "took-us", 0));
    text_add(out, " (begun at ");
    milliseconds(out, value_get_integer(attempt, "after-us", 0));
    text_add(out, ")");
    if (message[0] != '\0') text_add(out, ": ");
    render_line(out, message);
    text_add(out, "\n");
}

void explain_words(struct text *out, const struct value *explanation)
{
    const char *word = value_get_string(explanation, "outcome", "");
    const char *next = value_get_string(explanation, "next", "");
    const struct outcome *outcome = outcome_find(status_from_name(word));
    struct text first = { 0 };
    text_printf(&first, "%s, %s", word, outcome == NULL ? "?" : outcome->meaning);
    line(out, "outcome", text_string(&first));
    text_fini(&first);
    if (outcome != NULL) {
        text_printf(out, "%-9s%s: %s\n", "class", retry_class_name(outcome->retry),
                    retry_class_meaning(outcome->retry));
    }
    bool ran = value_get_boolean(explanation, "may-have-run", false);
    if (outcome != NULL && outcome->status == STATUS_OK) line(out, "ran", "yes");
    else line(out, "ran", ran ? "perhaps" : "no");
    line(out, "retried", value_get_boolean(explanation, "retried", false) ? "yes" : "no");
    line(out, "why", value_get_string(explanation, "why", ""));
    if (next[0] != '\0') line(out, "next", next);
    const struct value *attempts = value_get(explanation, "attempts");
    for (size_t i = 0; i < value_size(attempts); i++)
        attempt_words(out, i + 1, value_at(attempts, i));
}
