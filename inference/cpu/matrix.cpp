#include "inference/cpu/matrix.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "inference/cpu/kernels.h"
#include "inference/cpu/matrix_layout.h"
#include "inference/cpu/matrix_pack.h"

namespace weft::inference::cpu {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kReadBytes = std::size_t{128} << 10;  // of a file at once, for repacking
constexpr std::size_t kArenaChunk = 16 * kHugePage;         // its unused rest is never touched

std::size_t whole_lines(std::size_t bytes) noexcept {
  return (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
}

// Large arrays get huge pages: fewer faults while packing, fewer TLB misses while multiplying.
std::uint8_t* allocate(std::size_t bytes) noexcept {
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : kCacheLine;
  if (bytes > SIZE_MAX - alignment) return nullptr;
  const std::size_t rounded = whole_lines(bytes);
  void* memory = nullptr;
  if (posix_memalign(&memory, alignment, rounded) != 0) return nullptr;
  // Only advice: without huge pages everything works.
  if (bytes >= kHugePage) madvise(memory, rounded / kHugePage * kHugePage, MADV_HUGEPAGE);
  return static_cast<std::uint8_t*>(memory);
}

struct Free {
  void operator()(std::uint8_t* memory) const noexcept { std::free(memory); }
};

float round_to_bfloat16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return value;  // rounding could turn a NaN into infinity
  return std::bit_cast<float>((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000);
}

std::size_t activation_row_bytes(ActivationKind kind, std::size_t columns) noexcept {
  switch (kind) {
    case ActivationKind::kQ8Block32:
      return columns / Block32::kValues * Block32::kBytes;
    case ActivationKind::kQ8Block256:
      return columns / Block256::kValues * Block256::kBytes;
    case ActivationKind::kFloat:
    case ActivationKind::kF16:
    case ActivationKind::kBF16:
      break;
  }
  return padded_columns(TensorType::kF32, columns) * sizeof(float);
}

// How rows are parted for threads that take parts as they come: each part is whole units, which are
// whole groups, in pairs, of every level. Three quarters are the threads' large parts.
constexpr std::size_t kUnitRows = 32;
constexpr std::size_t kSmallPartsEach = 6;

std::size_t unit_count_of(std::size_t rows) noexcept { return (rows + kUnitRows - 1) / kUnitRows; }
std::size_t large_units_of(std::size_t units) noexcept { return units * 3 / 4; }

std::size_t group_count_of(std::size_t rows, const Kernels& kernels) noexcept {
  return (rows + kernels.group_rows - 1) / kernels.group_rows;
}

// Whether no quant of the file's Q8_0 blocks is outside [-64, 63].
bool fits_7_bits(std::span<const std::byte> blocks) noexcept {
  const std::size_t block_bytes = block_shape(TensorType::kQ8_0).bytes;
  for (; !blocks.empty(); blocks = blocks.subspan(block_bytes)) {
    for (const std::byte quant : blocks.subspan(2, block_bytes - 2)) {
      if (((std::to_integer<unsigned>(quant) + 64) & 0x80U) != 0) return false;
    }
  }
  return true;
}

}  // namespace

ActivationKind activation_kind(TensorType type) noexcept {
  switch (type) {
    case TensorType::kF32:
      return ActivationKind::kFloat;
    case TensorType::kF16:
      return ActivationKind::kF16;
    case TensorType::kBF16:
      return ActivationKind::kBF16;
    case TensorType::kQ4_0:
    case TensorType::kQ4_1:
    case TensorType::kQ5_0:
    case TensorType::kQ5_1:
    case TensorType::kQ8_0:
      return ActivationKind::kQ8Block32;
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
    case TensorType::kQ6_K:
      return ActivationKind::kQ8Block256;
  }
  return ActivationKind::kFloat;
}

void Activations::AlignedFree::operator()(std::uint8_t* memory) const noexcept {
  std::free(memory);
}

void Activations::prepare(Level level, ActivationKind kind, std::size_t count,
                          std::size_t columns) {
  prepare(cpu::kernels(level), kind, count, columns);
}

void Activations::prepare(const Kernels& kernels, ActivationKind kind, std::size_t count,
                          std::size_t columns) {
  assert(kind != ActivationKind::kQ8Block32 || columns % Block32::kValues == 0);
  assert(kind != ActivationKind::kQ8Block256 || columns % Block256::kValues == 0);
  kernels_ = &kernels;
  kind_ = kind;
  count_ = count;
  columns_ = columns;
  row_bytes_ = activation_row_bytes(kind, columns);
  const std::size_t bytes = count * row_bytes_;
  if (bytes <= capacity_bytes_) return;
  capacity_bytes_ = 0;
  tiles_.reset(allocate(bytes));
  if (!tiles_) throw std::bad_alloc();
  capacity_bytes_ = bytes;
}

void Activations::set_row(std::size_t i, const float* x) noexcept {
  assert(i < count_);
  const std::size_t tile_rows = kernels_->tile_rows;
  const std::size_t first = i / tile_rows * tile_rows;
  const ActivationSlot out = {.tile = tiles_.get() + first * row_bytes_,
                              .slots = std::min(count_ - first, tile_rows),
                              .slot = i - first};
  if (kind_ == ActivationKind::kQ8Block32) return kernels_->quantize_32(x, columns_, out);
  if (kind_ == ActivationKind::kQ8Block256) return kernels_->quantize_256(x, columns_, out);
  const auto put = [&](std::size_t column, float value) {
    std::memcpy(out.tile + 4 * (column * out.slots + out.slot), &value, sizeof value);
  };
  const auto put_all = [&](const auto& rounded) {
    for (std::size_t c = 0; c < columns_; ++c) put(c, rounded(x[c]));
  };
  if (kind_ == ActivationKind::kF16) {
    put_all([](float value) { return half_to_float(float_to_half(value)); });
  } else if (kind_ == ActivationKind::kBF16) {
    put_all(round_to_bfloat16);
  } else if (out.slots == 1) {
    std::memcpy(out.tile, x, columns_ * sizeof *x);
  } else {
    put_all([](float value) { return value; });
  }
  for (std::size_t c = columns_; c < row_bytes_ / 4; ++c) put(c, 0);
}

std::shared_ptr<std::uint8_t[]> WeightArena::allocate(std::size_t bytes) {
  if (bytes > PTRDIFF_MAX) return nullptr;
  const std::size_t wanted = whole_lines(bytes);
  if (wanted > kArenaChunk / 2) return {cpu::allocate(wanted), Free{}};
  const std::scoped_lock lock(mutex_);
  if (wanted > chunk_bytes_ - used_bytes_) {
    chunk_ = {cpu::allocate(kArenaChunk), Free{}};
    chunk_bytes_ = chunk_ ? kArenaChunk : 0;
    used_bytes_ = 0;
    if (!chunk_) return nullptr;
  }
  const std::size_t at = used_bytes_;
  used_bytes_ += wanted;
  return {chunk_, chunk_.get() + at};
}

struct Matrix::State {
  State(TensorType of, std::size_t row_count, std::size_t column_count, const Kernels& table,
        std::shared_ptr<const std::uint8_t[]> packed)
      : type(of),
        rows(row_count),
        columns(column_count),
        groups(group_count_of(row_count, table)),
        kernels(&table),
        view({.type = of,
              .groups = packed.get(),
              .group_bytes = group_bytes(of, column_count, table.group_rows),
              .columns = padded_columns(of, column_count),
              .rows = row_count,
              .are_7_bits = of == TensorType::kQ8_0}),
        memory(std::move(packed)) {}

  TensorType type;
  std::size_t rows;
  std::size_t columns;
  std::size_t groups;
  const Kernels* kernels;
  PackedView view;
  std::shared_ptr<const std::uint8_t[]> memory;
};

Matrix::Matrix(std::unique_ptr<State> state) : state_(std::move(state)) {}
Matrix::Matrix(Matrix&&) noexcept = default;
Matrix& Matrix::operator=(Matrix&&) noexcept = default;
Matrix::~Matrix() = default;

Result<Matrix> Matrix::pack(TensorType type, std::size_t rows, std::size_t columns,
                            const Source& source, Level level, WeightArena& arena) {
  return pack(type, rows, columns, source, cpu::kernels(level), arena);
}

Result<Matrix> Matrix::pack(TensorType type, std::size_t rows, std::size_t columns,
                            const Source& source, Level level) {
  WeightArena arena;
  return pack(type, rows, columns, source, level, arena);
}

Result<Matrix> Matrix::pack(TensorType type, std::size_t rows, std::size_t columns,
                            const Source& source, const Kernels& kernels, WeightArena& arena) {
  const auto file_row_bytes = row_bytes(type, columns);
  if (!file_row_bytes || columns == 0) {
    return Error{ErrorCode::kUnsupported, "a " + std::string(to_string(type)) + " matrix of " +
                                              std::to_string(columns) +
                                              " columns isn't whole blocks"};
  }
  const std::size_t group = group_bytes(type, columns, kernels.group_rows);
  const std::size_t group_count = group_count_of(rows, kernels);
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(group_count, group, &bytes)) bytes = SIZE_MAX;
  const std::shared_ptr<std::uint8_t[]> packed = arena.allocate(bytes);
  if (!packed) {
    return Error{ErrorCode::kResourceExhausted,
                 "no memory for a matrix of " + std::to_string(bytes) + " bytes"};
  }
  auto state = std::make_unique<State>(type, rows, columns, kernels, packed);

  // As many groups at a time as the cache holds until they are packed.
  const std::size_t file_group = *file_row_bytes * kernels.group_rows;
  const std::size_t at_once =
      std::max<std::size_t>(1, std::min(kReadBytes / file_group, group_count));
  const auto memory = std::make_unique_for_overwrite<std::byte[]>(file_group * at_once);
  const std::span file(memory.get(), file_group * at_once);
  for (std::size_t g = 0; g < group_count; g += at_once) {
    const std::size_t groups = std::min(at_once, group_count - g);
    const std::size_t first = g * kernels.group_rows;
    const std::size_t count = std::min(rows - first, groups * kernels.group_rows);
    const std::span<std::byte> read = file.first(count * *file_row_bytes);
    WEFT_TRY_VOID(source(first * *file_row_bytes, read));
    state->view.are_7_bits = state->view.are_7_bits && fits_7_bits(read);
    std::memset(read.data() + read.size(), 0, file.size() - read.size());
    for (std::size_t i = 0; i < groups; ++i) {
      pack_group(type, columns, kernels.group_rows, file.subspan(i * file_group, file_group),
                 {packed.get() + (g + i) * group, group});
    }
  }
  return Matrix(std::move(state));
}

std::size_t Matrix::packed_bytes(TensorType type, std::size_t rows, std::size_t columns,
                                 Level level) noexcept {
  const Kernels& kernels = cpu::kernels(level);
  return group_count_of(rows, kernels) * group_bytes(type, columns, kernels.group_rows);
}

Matrix Matrix::from_packed(TensorType type, std::size_t rows, std::size_t columns, bool are_7_bits,
                           Level level, std::shared_ptr<const std::uint8_t[]> bytes) {
  auto state = std::make_unique<State>(type, rows, columns, cpu::kernels(level), std::move(bytes));
  state->view.are_7_bits = are_7_bits;
  return Matrix(std::move(state));
}

TensorType Matrix::type() const noexcept { return state_->type; }
std::size_t Matrix::rows() const noexcept { return state_->rows; }
std::size_t Matrix::columns() const noexcept { return state_->columns; }
std::size_t Matrix::size_bytes() const noexcept {
  return state_->groups * state_->view.group_bytes;
}

std::span<const std::uint8_t> Matrix::bytes() const noexcept {
  return {state_->memory.get(), size_bytes()};
}
bool Matrix::are_7_bits() const noexcept { return state_->view.are_7_bits; }

std::size_t Matrix::group_rows() const noexcept { return state_->kernels->group_rows; }

RowRange Matrix::partition(std::size_t thread, std::size_t threads) const noexcept {
  const auto row = [&](std::size_t part) {
    return std::min(state_->groups * part / threads * state_->kernels->group_rows, state_->rows);
  };
  return {row(thread), row(thread + 1)};
}

std::size_t Matrix::part_count(std::size_t threads) const noexcept {
  if (threads == 1) return 1;
  const std::size_t units = unit_count_of(state_->rows);
  return threads + std::min(units - large_units_of(units), kSmallPartsEach * threads);
}

RowRange Matrix::part(std::size_t i, std::size_t threads) const noexcept {
  if (threads == 1) return {0, state_->rows};
  const std::size_t units = unit_count_of(state_->rows);
  const std::size_t large = large_units_of(units);
  const std::size_t small_parts = part_count(threads) - threads;
  const auto row = [&](std::size_t part) {
    const std::size_t unit = part <= threads
                                 ? large * part / threads
                                 : large + (units - large) * (part - threads) / small_parts;
    return std::min(unit * kUnitRows, state_->rows);
  };
  return {row(i), row(i + 1)};
}

void Matrix::multiply(const Activations& x, RowRange rows, float* y,
                      std::size_t y_stride) const noexcept {
  assert(x.kind() == activation_kind(state_->type) && x.columns() == state_->columns);
  assert(x.kernels() == state_->kernels);
  assert(rows.begin % state_->kernels->group_rows == 0 && rows.end <= state_->rows);
  const ActivationView view = {.tiles = x.tiles(),
                               .row_bytes = x.row_bytes(),
                               .count = x.count(),
                               .columns = state_->view.columns};
  state_->kernels->multiply(state_->view, view, rows.begin, rows.end, y, y_stride);
}

}  // namespace weft::inference::cpu
