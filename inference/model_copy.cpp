// Models that come from a path: copied, by reflink where the file system can.

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "inference/model_pull.h"
#include "inference/part_file.h"

namespace weft::inference {
namespace {

struct EncoderFile {
  std::string_view name;
  bool needed;
};
// The first is the model proper.
constexpr EncoderFile kEncoderFiles[] = {{"model.safetensors", true},
                                         {"config.json", true},
                                         {"tokenizer.json", false},
                                         {"tokenizer_config.json", false},
                                         {"vocab.txt", false},
                                         {"modules.json", false},
                                         {"1_Pooling/config.json", false},
                                         {"sentence_bert_config.json", false},
                                         {"config_sentence_transformers.json", false}};

Result<void> copy_bytes(int from, std::uint64_t size, PartFile& to, const PullJob& job) {
  std::vector<std::byte> buffer(std::size_t{1} << 20);
  while (true) {
    if (job.options.stop.stop_requested()) {
      return Error{ErrorCode::kCancelled, "the copy was cancelled"};
    }
    const ssize_t n = ::read(from, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error("read", "the model file");
    if (n == 0) return to.sync();
    WEFT_TRY_VOID(to.append(std::span(buffer).first(static_cast<std::size_t>(n))));
    job.progress(PullPhase::kCopy, to.size(), std::max(size, to.size()));
  }
}

Result<void> copy_file(const std::filesystem::path& file, const std::string& name,
                       const PullJob& job) {
  const int from = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) return errno_error("open", file);
  const auto close_file = [](const int* descriptor) { ::close(*descriptor); };
  const std::unique_ptr<const int, decltype(close_file)> closer(&from, close_file);
  WEFT_TRY(target, part_path(job, name));
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  if (error) return Error{ErrorCode::kIo, "cannot examine " + file.string()};
  WEFT_TRY(part, PartFile::open(target, 0));
  if (const int to = ::open(target.c_str(), O_WRONLY | O_CLOEXEC); to >= 0) {
    const bool cloned = ::ioctl(to, FICLONE, from) == 0;
    ::close(to);
    if (cloned) {
      job.progress(PullPhase::kCopy, size, size);
      return {};
    }
  }
  WEFT_TRY_VOID(check_free_space(job, size));
  return copy_bytes(from, size, part, job);
}

}  // namespace

Result<void> pull_local_file(const std::filesystem::path& file, const std::string& name,
                             const PullJob& job) {
  WEFT_TRY_VOID(check_is_gguf(file));
  return copy_file(file, name, job);
}

Result<std::vector<std::string>> pull_local_folder(const std::filesystem::path& folder,
                                                   const PullJob& job) {
  std::vector<std::string> copied;
  for (const EncoderFile& file : kEncoderFiles) {
    const std::string name(file.name);
    std::error_code error;
    if (!std::filesystem::is_regular_file(folder / name, error)) {
      if (!file.needed) continue;
      return Error{ErrorCode::kNotFound, folder.string() + " has no " + name +
                                             ": it isn't the folder of an embedding model (a chat "
                                             "model is one GGUF file)"};
    }
    WEFT_TRY_VOID(copy_file(folder / name, name, job));
    copied.push_back(name);
  }
  return copied;
}

Result<void> check_is_gguf(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) {
    return Error{ErrorCode::kNotFound, file.string() + " is no file"};
  }
  std::ifstream opened(file, std::ios::binary);
  if (!opened) return errno_error("open", file);
  std::array<char, 4> magic{};
  opened.read(magic.data(), magic.size());
  if (std::string_view(magic.data(), magic.size()) != "GGUF") {
    return Error{ErrorCode::kCorrupt,
                 file.string() + " is no GGUF model: it doesn't begin with \"GGUF\""};
  }
  return {};
}

}  // namespace weft::inference
