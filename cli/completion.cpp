// `weft completion SHELL`: completion scripts, made from the verbs and flags themselves.

#include <CLI/CLI.hpp>

#include "cli/verbs.h"

namespace weft::cli {
namespace {

struct Node {
  std::string path;                // "weft model pull"
  std::vector<std::string> words;  // nested verbs and flags
};

void collect(const CLI::App& app, const std::string& path, std::vector<Node>& nodes) {
  Node node{path, {}};
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    node.words.push_back(verb->get_name());
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) node.words.push_back("--" + name);
  }
  nodes.push_back(node);
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    collect(*verb, path + " " + verb->get_name(), nodes);
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// The verbs typed so far select the words; anything else completes as a file name.
std::string bash_script(const std::vector<Node>& nodes) {
  std::string cases;
  for (const Node& node : nodes) {
    cases += "    '" + node.path + "') words='" + joined(node.words) + "' ;;\n";
  }
  return "# bash completion of weft:  eval \"$(weft completion bash)\"\n"
         "_weft() {\n"
         "  local word path=weft words='' current=${COMP_WORDS[COMP_CWORD]}\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    case $word in -*) ;; *) path+=\" $word\" ;; esac\n"
         "  done\n"
         "  while :; do\n"
         "    case $path in\n" +
         cases +
         "    esac\n"
         "    [[ -n $words || $path != *' '* ]] && break\n"
         "    path=${path% *}\n"
         "  done\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o default -F _weft weft\n";
}

std::string zsh_script(const std::vector<Node>& nodes) {
  return "# zsh completion of weft:  eval \"$(weft completion zsh)\"\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         bash_script(nodes);
}

std::string fish_script(const std::vector<Node>& nodes) {
  std::string text = "# fish completion of weft:  weft completion fish | source\n";
  const std::string top = joined(nodes.front().words);
  for (const Node& node : nodes) {
    std::string condition = "__fish_use_subcommand";
    std::string rest = node.path.substr(std::min<std::size_t>(node.path.size(), 5));
    if (!rest.empty()) {
      condition = "";
      for (std::size_t start = 0; start < rest.size();) {
        const std::size_t end = std::min(rest.find(' ', start), rest.size());
        condition += (condition.empty() ? "" : "; and ");
        condition += "__fish_seen_subcommand_from " + rest.substr(start, end - start);
        start = end + 1;
      }
    }
    for (const std::string& word : node.words) {
      text += "complete -c weft -n '" + condition + "' ";
      text += word.starts_with("--") ? "-l " + word.substr(2) : "-a " + word;
      text += "\n";
    }
  }
  return text;
}

}  // namespace

void add_completion(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("completion", "Print a completion script for your shell");
  const auto shell = std::make_shared<std::string>();
  verb->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  verb->callback([&app, &parsed, shell] {
    parsed.action = [&app, shell](Context& context) -> Result<ExitCode> {
      std::vector<Node> nodes;
      collect(app, "weft", nodes);
      context.console.print(*shell == "bash"  ? bash_script(nodes)
                            : *shell == "zsh" ? zsh_script(nodes)
                                              : fish_script(nodes));
      return ExitCode::kDone;
    };
  });
}

}  // namespace weft::cli
