#include "inference/numerics_id.h"

#include <catch2/catch.hpp>
#include <set>

#include "inference/gguf.h"
#include "tests/fakes/reference_backend.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

std::string print_of(const fakes::Bytes& bytes) {
  const TemporaryModel file(bytes);
  const auto gguf = GgufFile::open(file.path());
  REQUIRE(gguf);
  return fingerprint(*gguf).value();
}

TEST_CASE("copies of a model have one fingerprint, other weights or settings another") {
  fakes::TinyModelOptions options;
  const auto bytes = fakes::tiny_model(options).build().bytes;
  const std::string print = print_of(bytes);
  CHECK(print.size() == 32);
  CHECK(print_of(bytes) == print);
  std::set<std::string> different = {print};
  auto last = bytes;
  last.back() ^= std::byte{1};  // one bit of the last tensor
  different.insert(print_of(last));
  auto base = bytes;
  set_value(base, "rope.freq_base", 10000.001F);  // less than a description shows
  different.insert(print_of(base));
  options.type = TensorType::kQ8_0;
  different.insert(print_of(fakes::tiny_model(options).build().bytes));
  CHECK(different.size() == 4);
}

TEST_CASE("results of all CPU levels have one id, those of another backend another") {
  const TemporaryModel file{fakes::TinyModelOptions{}};
  const auto best = file.load();
  const auto scalar = file.load(*cpu_backend(1, cpu::Level::kScalar));
  CHECK(best->numerics() == scalar->numerics());
  CHECK(file.load(*fakes::reference_backend())->numerics() != best->numerics());
  CHECK(to_string(best->numerics()) ==
        best->numerics().weights + ", cpu, exact, kv f16, revision 2");
}

}  // namespace
}  // namespace weft::inference
