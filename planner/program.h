#pragma once
// A checked, immutable graph. Threads and runs share it.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "planner/body.h"

namespace weft::planner {

using Types = std::vector<const Type*>;

/// A Program whose result's type is known at run time only, as one from a file.
class AnyProgram {
 public:
  explicit AnyProgram(std::shared_ptr<const Body> body) : body_(std::move(body)) {}

  /// Reads what json() writes; the code comes from `functions`, by name. `types` are those that no
  /// function takes or gives, other than numbers, texts, bools and lists of them. Errors:
  /// kInvalidArgument says what is wrong and in which node; kNotFound names a function or type that
  /// isn't there.
  static Result<AnyProgram> from_json(std::string_view json, const Functions& functions,
                                      const BodyLimits& limits = {}, const Types& types = {});
  /// One line of UTF-8; equal programs give equal text.
  std::string json() const;
  /// SHA-256 of json(), in hexadecimal: what a trace pins. Made once for all copies.
  const std::string& hash() const;
  /// The code of all nodes, by name.
  Functions functions() const;
  /// The types of all values.
  Types types() const;

  /// Pictures as text: Mermaid's flowchart, Graphviz's digraph.
  std::string mermaid() const;
  std::string dot() const;

  const Body& body() const noexcept { return *body_; }
  const std::shared_ptr<const Body>& shared_body() const noexcept { return body_; }
  const Type* result_type() const noexcept { return body_->slots[body_->result].type; }

 private:
  struct Hash {
    std::once_flag once;
    std::string text;
  };
  std::shared_ptr<const Body> body_;
  std::shared_ptr<Hash> hash_ = std::make_shared<Hash>();
};

/// What AnyProgram::json() says of a program's structure, without its code and types: for pictures
/// of programs whose code isn't here. Not to be run. Errors: kInvalidArgument.
Result<std::shared_ptr<const Body>> sketch_program(std::string_view json);

template <Storable T>
class Program : public AnyProgram {
 public:
  /// Errors: kInvalidArgument if the program's result isn't a T.
  static Result<Program> from(const AnyProgram& program) {
    if (program.result_type() != type_of<T>()) {
      return Error{ErrorCode::kInvalidArgument, "the program gives " + program.result_type()->name +
                                                    ", not " + type_of<T>()->name};
    }
    return Program(program.shared_body());
  }

 private:
  using AnyProgram::AnyProgram;
};

}  // namespace weft::planner
