#pragma once
// The tree of a parsed template. Nodes live in one arena and point at each other, so that a long
// chain of operators needs no recursion to free.

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "inference/jinja_lexer.h"
#include "inference/jinja_value.h"

namespace weft::inference::jinja {

inline constexpr std::size_t kNestingMax = 64;  // of blocks and brackets in the source

enum class Op : std::uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kConcatenate,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct Expr {
  enum class Kind : std::uint8_t {
    kLiteral,
    kBody,  // the text of the surrounding filter or set block
    kName,
    kList,
    kTuple,
    kDict,  // items: key, value, key, value
    kNot,
    kNegate,
    kPlus,
    kConditional,  // items: condition, then, else or null
    // From here on `left` is evaluated first, without recursion.
    kBinary,
    kAnd,
    kOr,
    kCompare,    // left ops[0] items[0] ops[1] items[1]: chained as in Python
    kAttribute,  // left.name
    kSubscript,  // left[items[0]]
    kSlice,      // left[items[0]:items[1]:items[2]], any of them null
    kCall,
    kFilter,
    kTest,
  };
  struct Keyword {
    std::string name;
    Expr* value;
  };

  Kind kind = Kind::kLiteral;
  Op op = Op::kAdd;
  Position at;
  std::string name;
  Value literal;
  Expr* left = nullptr;
  std::vector<Expr*> items;
  std::vector<Keyword> keywords;
  std::vector<Op> ops;
};

struct Stmt {
  enum class Kind : std::uint8_t {
    kText,
    kPrint,
    kIf,
    kFor,
    kSet,
    kSetBlock,
    kMacro,
    kCallBlock,
    kFilterBlock,
    kScope,
    kBreak,
    kContinue,
  };
  struct Branch {
    Expr* condition;  // null: else
    std::vector<Stmt*> body;
  };
  struct Parameter {
    std::string name;
    Expr* fallback;  // null: none
  };

  Kind kind = Kind::kText;
  Position at;
  Text text;               // kText
  std::string name;        // kMacro
  Expr* target = nullptr;  // kFor, kSet: a name, a tuple of names, or namespace.name
  Expr* value = nullptr;   // printed, iterated, set, called, or the filters of a block
  Expr* filter = nullptr;  // kFor: "if" behind the iterated
  std::vector<Parameter> parameters;
  std::vector<Branch> branches;  // kIf: all; others: the body, kFor: and its else
};

struct Ast {
  std::deque<Expr> expressions;
  std::deque<Stmt> statements;
  std::vector<Stmt*> body;
};

/// Errors: kInvalidArgument or kUnsupported with line, column and the construct;
/// kResourceExhausted past kNestingMax or kSourceBytesMax.
Result<Ast> parse(std::string_view source);

/// Whether a filter or test of this name exists.
bool is_filter(std::string_view name);
bool is_test(std::string_view name);
/// Whether `x is NAME` is complete without an argument.
bool is_unary_test(std::string_view name);

}  // namespace weft::inference::jinja
