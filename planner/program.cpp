#include "planner/program.h"

#include <algorithm>

#include "base/sha256.h"
#include "planner/picture.h"

namespace weft::planner {
namespace {

void gather(const Body &body, Functions &functions) {
  for (const Node &node : body.nodes) {
    if (node.code != nullptr) functions.emplace(node.function, node.code);
    for (const auto &inside : node.bodies) gather(*inside, functions);
  }
}

void gather(const Body &body, Types &types) {
  for (const auto &slot : body.slots) types.push_back(slot.type);
  for (const Node &node : body.nodes) {
    for (const auto &inside : node.bodies) gather(*inside, types);
  }
}

}  // namespace

const std::string &AnyProgram::hash() const {
  std::call_once(hash_->once, [this] {
    const std::string text = json();
    Sha256 sha;
    sha.update(std::as_bytes(std::span(text)));
    hash_->text = sha.hex_digest();
  });
  return hash_->text;
}

Functions AnyProgram::functions() const {
  Functions functions;
  gather(*body_, functions);
  return functions;
}

Types AnyProgram::types() const {
  Types types;
  gather(*body_, types);
  std::ranges::sort(types);
  const auto same = std::ranges::unique(types);
  types.erase(same.begin(), same.end());
  return types;
}

std::string AnyProgram::mermaid() const { return planner::mermaid(*body_); }
std::string AnyProgram::dot() const { return planner::dot(*body_); }

}  // namespace weft::planner
