#include "planner/program.h"

#include <algorithm>

#include "base/sha256.h"

namespace weft::planner {
namespace {

void gather(const Body& body, Functions& functions) {
  for (const Node& node : body.nodes) {
    if (node.code != nullptr) functions.emplace(node.function, node.code);
    for (const auto& inside : node.bodies) gather(*inside, functions);
  }
}

/// A picture's nodes and edges, to one of the two languages.
class Drawing {
 public:
  explicit Drawing(bool mermaid) : mermaid_(mermaid) {}

  /// Draws `body`; `inputs` are the ids that stand for its inputs. Returns the id of each slot.
  std::vector<std::string> draw(const Body& body, const std::vector<std::string>& inputs) {
    std::vector<std::string> ids(body.slots.size());
    for (std::size_t i = 0; i < body.inputs.size(); ++i) {
      ids[body.inputs[i].slot] = i < inputs.size() ? inputs[i] : box(body.inputs[i].name, true);
    }
    for (const Node& node : body.nodes) {
      if (node.bodies.empty()) {
        ids[node.output] = box(node.name, false);
        for (const Slot from : node.inputs) edge(ids[from], ids[node.output]);
        continue;
      }
      const std::string title = node.name + " (" + std::string(to_string(node.kind)) + ")";
      std::vector<std::string> ends;
      for (std::size_t b = 0; b < node.bodies.size(); ++b) {
        open(node.bodies.size() == 1 ? title : title + (b == 0 ? ": yes" : ": no"));
        std::vector<std::string> handed;
        for (const std::uint32_t from : node.arguments[b]) handed.push_back(ids[node.inputs[from]]);
        const Body& inside = *node.bodies[b];
        ends.push_back(draw(inside, handed)[inside.result]);
        close();
      }
      if (ends.size() == 1) {
        ids[node.output] = ends[0];
        continue;
      }
      ids[node.output] = box(node.name, false);
      edge(ids[node.inputs[0]], ids[node.output]);
      for (const std::string& end : ends) edge(end, ids[node.output]);
    }
    return ids;
  }

  std::string text() const {
    return (mermaid_ ? "flowchart TD\n" : "digraph program {\n") + text_ + (mermaid_ ? "" : "}\n");
  }

 private:
  static std::string quoted(const std::string& name) {
    std::string text = "\"";
    for (const char c : name) {
      if (c == '"' || c == '\\') {
        text += '\'';
      } else {
        text += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
      }
    }
    return text + '"';
  }
  std::string box(const std::string& name, bool is_input) {
    std::string id = "n" + std::to_string(count_++);
    if (mermaid_) {
      text_ += "  " + id + (is_input ? "([" : "[") + quoted(name) + (is_input ? "])" : "]") + "\n";
    } else {
      text_ += "  " + id + " [label=" + quoted(name) + (is_input ? "" : ", shape=box") + "];\n";
    }
    return id;
  }
  void edge(const std::string& from, const std::string& to) {
    text_ += "  " + from + (mermaid_ ? " --> " : " -> ") + to + (mermaid_ ? "\n" : ";\n");
  }
  void open(const std::string& title) {
    const std::string id = std::to_string(count_++);
    text_ += mermaid_ ? "  subgraph s" + id + "[" + quoted(title) + "]\n"
                      : "  subgraph cluster_" + id + " { label=" + quoted(title) + ";\n";
  }
  void close() { text_ += mermaid_ ? "  end\n" : "  }\n"; }

  const bool mermaid_;
  std::size_t count_ = 0;
  std::string text_;
};

std::string drawn(const Body& body, bool mermaid) {
  Drawing drawing(mermaid);
  drawing.draw(body, {});
  return drawing.text();
}

void gather(const Body& body, Types& types) {
  for (const auto& slot : body.slots) types.push_back(slot.type);
  for (const Node& node : body.nodes) {
    for (const auto& inside : node.bodies) gather(*inside, types);
  }
}

}  // namespace

const std::string& AnyProgram::hash() const {
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

std::string AnyProgram::mermaid() const { return drawn(*body_, true); }
std::string AnyProgram::dot() const { return drawn(*body_, false); }

}  // namespace weft::planner
