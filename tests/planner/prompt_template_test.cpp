#include "planner/prompt_template.h"

#include <catch2/catch.hpp>

namespace weft::planner {
namespace {

using Given = std::map<std::string, std::string, std::less<>>;

std::string rendered(std::string_view source,
                     const std::map<std::string, std::string, std::less<>>& inputs) {
  const auto made = PromptTemplate::parse(source);
  if (!made) return made.error().message;
  const auto prompt = made->render(inputs);
  return prompt ? prompt->text : prompt.error().message;
}

TEST_CASE("places are filled, and the spans say with what") {
  const auto made = PromptTemplate::parse("Compare {{a}} with {{ b }}, {{a}}").value();
  CHECK(made.names() == std::vector<std::string>{"a", "b"});
  CHECK(made.fixed_beginning() == "Compare ");
  const auto prompt = made.render(Given{{"a", "x"}, {"b", ""}}).value();
  CHECK(prompt.text == "Compare x with , x");
  CHECK(prompt.spans == std::vector<Prompt::Span>{
                            {0, 8, ""}, {8, 9, "a"}, {9, 15, ""}, {15, 17, ""}, {17, 18, "a"}});
  CHECK(made.render_in_order(std::vector<std::string_view>{"x", ""})->text == prompt.text);
  CHECK(PromptTemplate::parse("{{a}}")->fixed_beginning().empty());
}

TEST_CASE("what is put in is data, whatever it spells") {
  CHECK(rendered("{{a}}{{b}}", {{"a", "{{b}} \\{{"}, {"b", "}}"}}) == "{{b}} \\{{}}");
}

TEST_CASE("a backslash makes a place plain text") {
  CHECK(rendered("\\{{a}} \\\\{{a}} \\\\\\{{a}} \\n }} {a}", {{"a", "x"}}) ==
        "{{a}} \\x \\{{a}} \\n }} {a}");
}

TEST_CASE("wrong templates and inputs are refused by name and line") {
  CHECK(rendered("one\ntwo {{a", {}) ==
        "line 2 of the template: {{ isn't closed by }}; write \\{{ if it is meant as it stands");
  CHECK(rendered("{{}}", {}).starts_with("line 1 of the template: \"\" is no name"));
  CHECK(rendered("{{{a}}}", {}).starts_with("line 1 of the template: \"{a\" is no name"));
  CHECK(rendered("{{document}}", {{"document", "x"}, {"documnet", "y"}}) ==
        "the template has no place {{documnet}}; did you mean \"document\"?");
  CHECK(rendered("{{a}}", {}) == "nothing is given for {{a}}");
  CHECK(PromptTemplate::parse("{{a}}")
            ->render_in_order(std::vector<std::string_view>{})
            .error()
            .code == ErrorCode::kInvalidArgument);
  CHECK(PromptTemplate::load("/no/such/file").error().code == ErrorCode::kNotFound);
  const auto large = PromptTemplate::parse("{{a}}{{a}}").value();
  const std::string half(40 << 20, 'x');
  CHECK(large.render_in_order(std::vector<std::string_view>{half}).error().code ==
        ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace weft::planner
