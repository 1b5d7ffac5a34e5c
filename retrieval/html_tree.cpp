#include "retrieval/html_tree.h"

#include <gumbo.h>

#include <csetjmp>
#include <cstdlib>
#include <vector>

namespace weft::retrieval {
namespace {

using Clock = std::chrono::steady_clock;

// gumbo's memory. It has no way to fail: when the memory or the time is used up, the parse is left
// by longjmp over gumbo's (C) frames, and what it had allocated is freed here. Freeing here also
// spares gumbo_destroy_output(), which recurses as deep as the tree.
class Memory {
 public:
  enum class End { kNone, kMemory, kTime };

  explicit Memory(const HtmlLimits& limits)
      : bytes_left_(limits.memory_bytes_max), deadline_(Clock::now() + limits.timeout) {
    head_.next = head_.previous = &head_;
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
    for (Node* node = head_.next; node != &head_;) {
      Node* const next = node->next;
      std::free(node);
      node = next;
    }
  }

  static void* allocate(void* self, std::size_t size) {
    return static_cast<Memory*>(self)->allocate(size);
  }
  static void release(void* self, void* block) {
    if (block != nullptr) static_cast<Memory*>(self)->release(block);
  }

  std::jmp_buf escape;
  End end() const { return end_; }

 private:
  struct alignas(std::max_align_t) Node {
    Node* next;
    Node* previous;
    std::size_t size;
  };
  // Looking at the clock costs as much as an allocation.
  static constexpr unsigned kAllocationsPerLook = 64;

  void* allocate(std::size_t size) {
    size += sizeof(Node);
    if (size > bytes_left_) leave(End::kMemory);
    if (++allocations_ % kAllocationsPerLook == 0 && Clock::now() > deadline_) leave(End::kTime);
    auto* const node = static_cast<Node*>(std::malloc(size));
    if (node == nullptr) leave(End::kMemory);
    bytes_left_ -= size;
    *node = {head_.next, &head_, size};
    head_.next->previous = node;
    head_.next = node;
    return node + 1;
  }
  void release(void* block) {
    Node* const node = static_cast<Node*>(block) - 1;
    node->next->previous = node->previous;
    node->previous->next = node->next;
    bytes_left_ += node->size;
    std::free(node);
  }
  [[noreturn]] void leave(End why) {
    end_ = why;
    std::longjmp(escape, 1);
  }

  Node head_{};
  std::size_t bytes_left_;
  Clock::time_point deadline_;
  unsigned allocations_ = 0;
  End end_ = End::kNone;
};

// Nothing between setjmp and gumbo has a destructor that the jump would skip.
const GumboOutput* parse(Memory& memory, const GumboOptions& options, const char* text,
                         std::size_t size) {
  if (setjmp(memory.escape) != 0) return nullptr;
  return gumbo_parse_with_options(&options, text, size);
}

class Element final : public HtmlElement {
 public:
  explicit Element(const GumboElement& element) : element_(element) {}
  std::string_view name() const override { return gumbo_normalized_tagname(element_.tag); }
  std::optional<std::string_view> attribute(const char* name) const override {
    const GumboAttribute* found = gumbo_get_attribute(&element_.attributes, name);
    return found == nullptr ? std::nullopt : std::optional<std::string_view>(found->value);
  }

 private:
  const GumboElement& element_;
};

// With a stack of its own: a tree may be deeper than the machine's.
void walk(const GumboNode* root, HtmlVisitor& visitor) {
  struct Open {
    const GumboNode* node;
    unsigned next_child;
  };
  std::vector<Open> stack;
  const auto show = [&](const GumboNode* node) {
    switch (node->type) {
      case GUMBO_NODE_TEXT:
      case GUMBO_NODE_WHITESPACE:
      case GUMBO_NODE_CDATA:
        visitor.text(node->v.text.text);
        break;
      case GUMBO_NODE_ELEMENT:
        if (visitor.enter(Element(node->v.element))) stack.push_back({node, 0});
        break;
      default:
        break;  // comments, <template>
    }
  };
  show(root);
  while (!stack.empty()) {
    const GumboElement& element = stack.back().node->v.element;
    if (stack.back().next_child < element.children.length) {
      show(static_cast<const GumboNode*>(element.children.data[stack.back().next_child++]));
    } else {
      stack.pop_back();
      visitor.leave(gumbo_normalized_tagname(element.tag));
    }
  }
}

}  // namespace

Result<void> walk_html(std::string_view html, const HtmlLimits& limits, HtmlVisitor& visitor) {
  const std::optional<std::string> flattened = with_bounded_nesting(html);
  if (flattened) html = *flattened;
  Memory memory(limits);
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = &Memory::allocate;
  options.deallocator = &Memory::release;
  options.userdata = &memory;
  options.max_errors = 0;  // it would list millions
  const GumboOutput* const output = parse(memory, options, html.data(), html.size());
  if (output == nullptr && memory.end() == Memory::End::kTime) {
    return Error{ErrorCode::kDeadlineExceeded,
                 "the page's structure takes longer to parse than the " +
                     std::to_string(limits.timeout.count()) + " ms it may"};
  }
  if (output == nullptr) {
    return Error{ErrorCode::kResourceExhausted, "the page's structure needs more than the " +
                                                    std::to_string(limits.memory_bytes_max) +
                                                    " bytes of memory it may"};
  }
  walk(output->root, visitor);
  return {};
}

}  // namespace weft::retrieval
