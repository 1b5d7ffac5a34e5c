#include "planner/picture.h"

namespace weft::planner {
namespace {

/// A picture's nodes and edges, to one of the two languages.
class Drawing {
 public:
  Drawing(bool mermaid, const Captions& captions) : mermaid_(mermaid), captions_(captions) {}

  /// Where a graph is: its node's path and name; empty at the top.
  struct Around {
    std::string path;
    std::string name;
  };

  /// Draws `body`; `inputs` are the ids that stand for its inputs. Returns the id of each slot.
  std::vector<std::string> draw(const Body& body, const std::vector<std::string>& inputs,
                                const Around& around) {
    std::vector<std::string> ids(body.slots.size());
    for (std::size_t i = 0; i < body.inputs.size(); ++i) {
      ids[body.inputs[i].slot] = i < inputs.size() ? inputs[i] : box(body.inputs[i].name, true);
    }
    for (const Node& node : body.nodes) {
      const std::string path = path_of(body, node, around);
      const std::string title = node.name + " (" + std::string(to_string(node.kind)) + ")";
      if (node.bodies.empty()) {
        const bool has_steps = node.kind == NodeKind::kPlan && draw_steps(path, title);
        ids[node.output] = box(node.name, false, path);
        if (has_steps) close();
        for (const Slot from : node.inputs) edge(ids[from], ids[node.output]);
        continue;
      }
      std::vector<std::string> ends;
      for (std::size_t b = 0; b < node.bodies.size(); ++b) {
        open(node.bodies.size() == 1 ? title : title + (b == 0 ? ": yes" : ": no"),
             caption_of(body_path(node, path)));
        std::vector<std::string> handed;
        for (const std::uint32_t from : node.arguments[b]) handed.push_back(ids[node.inputs[from]]);
        const Body& inside = *node.bodies[b];
        ends.push_back(draw(inside, handed, {path, node.name})[inside.result]);
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
  /// As Frame::path(), without indices.
  static std::string path_of(const Body& body, const Node& node, const Around& around) {
    if (around.path.empty()) return node.name;
    if (body.nodes.size() == 1 && node.name == around.name) return around.path;
    return around.path + "/" + node.name;
  }
  /// A graph's own path, or nothing where its one node has the same.
  static std::string body_path(const Node& node, const std::string& path) {
    const std::vector<Node>& inside = node.bodies[0]->nodes;
    return inside.size() == 1 && inside[0].name == node.name ? "" : path;
  }
  std::string caption_of(const std::string& path) const {
    const auto known = captions_.find(path);
    return known == captions_.end() ? "" : known->second;
  }
  /// The steps that a run made of a plan are known by their captions alone. True: the frame around
  /// them is still open.
  bool draw_steps(const std::string& path, const std::string& title) {
    const std::string beginning = path + "/";
    auto step = captions_.lower_bound(beginning);
    if (step == captions_.end() || !step->first.starts_with(beginning)) return false;
    open(title);
    for (; step != captions_.end() && step->first.starts_with(beginning); ++step) {
      box(step->first.substr(beginning.size()), false, step->first);
    }
    return true;
  }
  std::string quoted(const std::string& name, const std::string& caption = "") const {
    const std::string end = mermaid_ ? "<br>" : "\\n";
    return '"' + plain(name) + (caption.empty() ? "" : end + plain(caption)) + '"';
  }
  static std::string plain(const std::string& name) {
    std::string text;
    for (const char c : name) {
      if (c == '"' || c == '\\') {
        text += '\'';
      } else {
        text += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
      }
    }
    return text;
  }
  std::string box(const std::string& name, bool is_input, const std::string& path = "") {
    const std::string label = quoted(name, caption_of(path));
    std::string id = "n" + std::to_string(count_++);
    if (mermaid_) {
      text_ += "  " + id + (is_input ? "([" : "[") + label + (is_input ? "])" : "]") + "\n";
    } else {
      text_ += "  " + id + " [label=" + label + (is_input ? "" : ", shape=box") + "];\n";
    }
    return id;
  }
  void edge(const std::string& from, const std::string& to) {
    text_ += "  " + from + (mermaid_ ? " --> " : " -> ") + to + (mermaid_ ? "\n" : ";\n");
  }
  void open(const std::string& title, const std::string& caption = "") {
    const std::string id = std::to_string(count_++);
    const std::string label = quoted(title, caption);
    text_ += mermaid_ ? "  subgraph s" + id + "[" + label + "]\n"
                      : "  subgraph cluster_" + id + " { label=" + label + ";\n";
  }
  void close() { text_ += mermaid_ ? "  end\n" : "  }\n"; }

  const bool mermaid_;
  const Captions& captions_;
  std::size_t count_ = 0;
  std::string text_;
};

std::string drawn(const Body& body, bool mermaid, const Captions& captions) {
  Drawing drawing(mermaid, captions);
  drawing.draw(body, {}, {});
  return drawing.text();
}

}  // namespace

std::string mermaid(const Body& body, const Captions& captions) {
  return drawn(body, true, captions);
}
std::string dot(const Body& body, const Captions& captions) { return drawn(body, false, captions); }

}  // namespace weft::planner
