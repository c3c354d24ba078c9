// visits: counts visits by page, in C++17. The counts live in the cluster's store, so that any instance may
// count, and none is lost with an instance: a count is read, then written on the condition that nobody wrote
// meanwhile.
//
//     visit    "home"  ->  3        (counts one)
//     count    "home"  ->  3        (0 for a page that was never visited)
#include <aether/slice.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <string_view>

namespace
{

enum entry : std::uint32_t { ENTRY_VISIT = 1, ENTRY_COUNT = 2 };
constexpr std::size_t PAGE_MAX = 100;
constexpr int ATTEMPTS_MAX = 20;
constexpr std::int64_t PAUSE_NS = 2'000'000;

aether_bytes bytes_of(std::string_view text)
{
    return { text.data(), text.size() };
}

std::string_view text_of(const aether_bytes &bytes)
{
    return { static_cast<const char *>(bytes.data), bytes.size };
}

class visits
{
  public:
    explicit visits(const aether_host *host) : host(host)
    {
    }

    void handle(aether_call *call, const aether_request &request);

  private:
    // One call under way. Owned by the operation that it waits for: `context` of the completions.
    struct visit {
        aether_call *call;
        std::string key;
        bool counts;
        std::uint64_t count = 0;
        int attempts = 0;
    };

    void look(std::unique_ptr<visit> visit);
    void write(std::unique_ptr<visit> visit, std::uint64_t revision);
    void try_again(std::unique_ptr<visit> visit);
    void answer(const visit &visit) const;
    void refuse(aether_call *call, std::int32_t status, std::string_view why) const;
    static void on_looked(void *instance, void *context, const aether_result *result);
    static void on_written(void *instance, void *context, const aether_result *result);
    static void on_pause_over(void *instance, void *context);

    const aether_host *host;
};

void visits::refuse(aether_call *call, std::int32_t status, std::string_view why) const
{
    host->reply(host, call, status, bytes_of(why));
}

void visits::answer(const visit &visit) const
{
    host->reply(host, visit.call, AETHER_OK, bytes_of(std::to_string(visit.count)));
}

void visits::look(std::unique_ptr<visit> visit)
{
    aether_call *call = visit->call;
    const std::int32_t status = host->kv_get(host, visit->key.c_str(), on_looked, visit.get());
    if (status == AETHER_OK) visit.release(); // on_looked takes it.
    else refuse(call, status, "the store can't be asked now");
}

void visits::on_looked(void *instance, void *context, const aether_result *result)
{
    auto &self = *static_cast<visits *>(instance);
    std::unique_ptr<visit> visit(static_cast<struct visit *>(context));
    if (result->status != AETHER_OK) {
        self.refuse(visit->call, result->status, text_of(result->value));
        return;
    }
    const std::string_view text = text_of(result->value); // Empty where there is no record.
    visit->count = 0;
    std::from_chars(text.data(), text.data() + text.size(), visit->count);
    if (visit->counts) self.write(std::move(visit), result->revision);
    else self.answer(*visit);
}

// `revision` is that of the record just read, 0 if there was none: exactly what the condition wants.
void visits::write(std::unique_ptr<visit> visit, std::uint64_t revision)
{
    aether_call *call = visit->call;
    const std::string value = std::to_string(++visit->count);
    const std::int32_t status =
        host->kv_put(host, visit->key.c_str(), bytes_of(value), revision, on_written, visit.get());
    if (status == AETHER_OK) visit.release();
    else refuse(call, status, "the store can't be asked now");
}

void visits::on_written(void *instance, void *context, const aether_result *result)
{
    auto &self = *static_cast<visits *>(instance);
    std::unique_ptr<visit> visit(static_cast<struct visit *>(context));
    if (result->status == AETHER_OK) self.answer(*visit);
    else if (result->status == AETHER_CONFLICT && ++visit->attempts < ATTEMPTS_MAX)
        self.try_again(std::move(visit));
    else self.refuse(visit->call, result->status, text_of(result->value));
}

// Somebody was faster. At a moment of chance, so that two don't meet again and again.
void visits::try_again(std::unique_ptr<visit> visit)
{
    aether_call *call = visit->call;
    const auto pause_ns = static_cast<std::int64_t>(host->random(host) % PAUSE_NS) * visit->attempts;
    if (host->after(host, pause_ns, on_pause_over, visit.get()) != 0) visit.release();
    else refuse(call, AETHER_OVERLOADED, "too many calls wait");
}

void visits::on_pause_over(void *instance, void *context)
{
    static_cast<visits *>(instance)->look(std::unique_ptr<visit>(static_cast<struct visit *>(context)));
}

void visits::handle(aether_call *call, const aether_request &request)
{
    std::string_view page = text_of(request.payload);
    const bool quoted = page.size() > 2 && page.front() == '"' && page.back() == '"';
    if (quoted) page = page.substr(1, page.size() - 2);
    constexpr char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (!quoted || page.size() > PAGE_MAX || page.find_first_not_of(letters) != std::string_view::npos) {
        refuse(call, AETHER_INVALID, "send a page: a JSON text of at most 100 letters, digits, - _ .");
        return;
    }
    auto wanted = std::make_unique<visit>();
    wanted->call = call;
    wanted->key = std::string("pages/").append(page);
    wanted->counts = request.entry == ENTRY_VISIT;
    look(std::move(wanted));
}

// --- the hooks: no exception may leave them ---

std::int32_t create(const aether_host *host, aether_bytes, void **out_instance)
{
    *out_instance = new (std::nothrow) visits(host);
    return *out_instance == nullptr ? AETHER_OVERLOADED : AETHER_OK;
}

// Out of memory ends the process (operator new throws, noexcept terminates): the cluster starts another.
void handle(void *instance, aether_call *call, const aether_request *request) noexcept
{
    static_cast<visits *>(instance)->handle(call, *request);
}

void destroy(void *instance)
{
    delete static_cast<visits *>(instance);
}

const aether_entry entries[] = {
    { "visit", ENTRY_VISIT, 0, 5000, 0 },
    { "count", ENTRY_COUNT, AETHER_READONLY, 2000, 0 },
};

} // namespace

// C++17 has no designated initializers: the hooks by position, nullptr where there is nothing to do.
const aether_slice AETHER_SLICE_DESCRIPTOR = {
    AETHER_SLICE_HEAD,
    "org.example",
    "visits",
    "1.0.0",
    AETHER_ENTRIES(entries),
    AETHER_NO_DEPENDENCIES,
    create,
    /* start */ nullptr,
    handle,
    /* stop */ nullptr,
    destroy,
    /* health */ nullptr,
    /* snapshot */ nullptr,
    /* restore */ nullptr,
    /* config_changed */ nullptr,
};
