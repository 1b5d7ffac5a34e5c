#include "retrieval/reader.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/child_process.h"
#include "base/utf8.h"
#include "retrieval/html_tree.h"

namespace weft::retrieval {
namespace {

std::string html_text(std::string_view html) {
  const auto document = read_html(std::string(html), {});
  REQUIRE(document);
  return document->text;
}

std::string repeated(std::string_view piece, std::size_t times) {
  std::string out;
  out.reserve(piece.size() * times);
  for (std::size_t i = 0; i < times; ++i) out += piece;
  return out;
}

std::string sample(std::string_view name) {
  std::ifstream file(WEFT_SOURCE_DIR "/examples/documents/" + std::string(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool have_pdftotext() {
  if (find_program("pdftotext")) return true;
  WARN("SKIPPED: pdftotext isn't installed");
  return false;
}

// A page that draws a line and no text.
constexpr std::string_view kPdfWithoutText =
    "%PDF-1.4\n"
    "1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
    "2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n"
    "3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 4 0 R >>\nendobj\n"
    "4 0 obj\n<< /Length 16 >>\nstream\n0 0 m 50 50 l S \nendstream\nendobj\n"
    "trailer\n<< /Size 5 /Root 1 0 R >>\n%%EOF\n";

}  // namespace

TEST_CASE("the extension picks the reader, in any case") {
  CHECK(is_readable("a/b.C.Md"));
  CHECK(is_readable("x.HTM"));
  CHECK_FALSE(is_readable("x.docx"));
  CHECK_FALSE(is_readable("folder.txt/file"));
  CHECK_FALSE(is_readable("txt"));
  CHECK(read_document("a.TXT", "words")->format == "text");
  CHECK(read_document("a.markdown", "words")->format == "markdown");
  CHECK(read_document("a.htm", "words")->format == "html");
  const auto unknown = read_document("notes.docx", "words");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == ErrorCode::kUnsupported);
  CHECK(unknown.error().message.find("notes.docx: no reader for .docx") == 0);
  CHECK(unknown.error().message.find(".pdf") != std::string::npos);
}

TEST_CASE("a file over the bound is refused") {
  const auto result = read_document("a.txt", std::string(11, 'x'), {.bytes_max = 10});
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kResourceExhausted);
}

TEST_CASE("UTF-8 text stays as it is, byte for byte") {
  const std::string text = "\xEF\xBB\xBFGrüße\r\n\r\n世界 \xF0\x9F\x98\x80\f\t";
  const auto document = read_text(text);
  REQUIRE(document);
  CHECK(document->text == text);
  CHECK(document->offsets_in_source);
  CHECK(read_text("")->text.empty());
}

TEST_CASE("other encodings are converted, and say so") {
  const auto little = read_text(std::string("\xFF\xFEH\0i\0=\xD8\0\xDE", 10));
  REQUIRE(little);
  CHECK(little->text == "Hi\xF0\x9F\x98\x80");
  CHECK_FALSE(little->offsets_in_source);
  CHECK(read_text(std::string("\xFE\xFF\0H\x20\xAC", 6))->text == "H€");
  CHECK(read_text(std::string("\xFF\xFE\x00\xDCx\0y", 7))->text == "\xEF\xBF\xBDx");
  const auto latin = read_text(
      "Gr\xFC\xDF"
      "e \x93quoted\x94");
  REQUIRE(latin);
  CHECK(latin->text == "Grüße “quoted”");
  CHECK_FALSE(latin->offsets_in_source);
  CHECK(read_text("\xEF\xBB\xBF"
                  "a\xFFz")
            ->text ==
        "\xEF\xBB\xBF"
        "a\xEF\xBF\xBDz");
}

TEST_CASE("binary content is refused with the reason") {
  const auto nul = read_text(std::string("ab\0c", 4));
  REQUIRE_FALSE(nul);
  CHECK(nul.error().code == ErrorCode::kUnsupported);
  CHECK(nul.error().message.find("NUL at byte 2") != std::string::npos);
  CHECK_FALSE(read_text(repeated("\x01\x02\x03words", 50)));
  CHECK(read_text(repeated("words ", 50) + "\x1B[1mbold\x1B[0m"));  // a terminal's log
}

TEST_CASE("Markdown's title is the front matter's, else the first heading of level one") {
  CHECK(read_markdown("---\ntitle: \"A: b\"\n---\n# C\n")->title == "A: b");
  CHECK(read_markdown("+++\ntitle = 'T'\n+++\n")->title == "T");
  CHECK(read_markdown("---\nsubtitle: x\n---\n# C\n")->title == "C");
  CHECK(read_markdown("## B\n\n# A `code` [x](y) #\n")->title == "A code x");
  CHECK(read_markdown("Words\n=====\n")->title == "Words");
  CHECK(read_markdown("---\n\n# After a rule\n")->title == "After a rule");
  CHECK(read_markdown("```\n# code\n```\n")->title.empty());
  const std::string text = "---\ntitle: x\n---\n\n# A\r\n";
  CHECK(read_markdown(text)->text == text);
}

TEST_CASE("HTML keeps its headings, paragraphs, lists, tables and code") {
  CHECK(html_text("<h1>A <i>b</i></h1><p>One\n two<p>Three<br>four") ==
        "# A b\n\nOne two\n\nThree\nfour\n");
  CHECK(html_text("<ul><li>a<li><p>b</p><p>c</p><ol><li>d<li>e</ol></ul>x") ==
        "- a\n\n- b\n\n  c\n\n  1. d\n  2. e\n\nx\n");
  CHECK(html_text(
            "<table><caption>Cap</caption><tr><th>a<th>b|c</tr><tr><td>1\n2<td></tr></table>z") ==
        "Cap\n\n| a | b\\|c |\n| 1 2 |  |\n\nz\n");
  CHECK(html_text("<pre>\n  x = 1\n\n  y\n</pre>after") == "```\n  x = 1\n\n  y\n```\n\nafter\n");
  CHECK(html_text("<pre>```\nx</pre>") == "````\n```\nx\n````\n");
  CHECK(html_text("<dl><dt>a<dd>b<dt>c<dd>d</dl>") == "a\nb\n\nc\nd\n");
  CHECK(html_text("a <a href=x>link</a>, <img src=x alt='picture of y'>.") ==
        "a link, picture of y .\n");
}

TEST_CASE("a table used for layout is read cell by cell") {
  CHECK(html_text("<table><tr><td><h2>H</h2><p>One</p></td><td><table><tr><td>a<td>b</table></td>"
                  "</tr></table>") == "## H\n\nOne\n\n| a | b |\n");
}

TEST_CASE("what isn't the page's text is left out") {
  CHECK(html_text("<head><title>T</title><style>s</style></head><nav>n</nav><p>x<script>s</script>"
                  "<span hidden>h</span><b style='Color:red; display : none'>h</b>"
                  "<i aria-hidden=true>h</i><select><option>o</select><div role=navigation>n</div>"
                  "<!-- c --><template>t</template><svg><text>v</text></svg><footer>f</footer>") ==
        "x\n");
  CHECK(html_text("<nav>All there is</nav>") == "All there is\n");
  CHECK(html_text("").empty());
  CHECK(html_text("<script>only").empty());
}

TEST_CASE("entities, white space and look-alikes of structure") {
  CHECK(html_text("<p>a&nbsp;&amp;&nbsp;b &lt;tag&gt; co&shy;op &#x4E16;</p>") ==
        "a & b <tag> coop 世\n");
  CHECK(html_text("<p># not a heading<p>```not code") == "\\# not a heading\n\n\\```not code\n");
  CHECK(html_text("caf\xE9") == "café\n");
}

TEST_CASE("HTML's title is its own, else the first heading") {
  CHECK(read_html("<title> A\n&amp; b </title><h1>C</h1>", {})->title == "A & b");
  CHECK(read_html("<h2>B</h2><h1>C <b>d</b></h1><h1>E</h1>", {})->title == "C d");
  CHECK(read_html("<p>x", {})->title.empty());
}

TEST_CASE("ordinary nesting is left alone; deep nesting is cut without losing text") {
  CHECK_FALSE(with_bounded_nesting(sample("articles/how-search-finds-a-passage.html")));
  CHECK_FALSE(with_bounded_nesting(repeated("<p>x<li>y<br><img src='>'>", 10'000)));
  CHECK_FALSE(with_bounded_nesting(repeated("<div><b>x</b></div>", 10'000)));
  const auto cut = with_bounded_nesting(repeated("<div>x", 300) + "end");
  REQUIRE(cut);
  CHECK(*cut == repeated("<div>x", 256) + repeated(" x", 44) + "end");
}

TEST_CASE("hostile pages are read or refused, soon") {
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& page :
       {repeated("<div>", 100'000) + "end", repeated("<b>", 100'000) + "end",
        repeated("<div><b><p>", 50'000) + "end", repeated("<table><tr><td>", 50'000) + "end",
        repeated("<div><applet></div></applet>", 20'000) + "end",
        repeated("<b><div></b>", 30'000) + "end", repeated("<svg><desc></svg><tr>", 20'000) + "end",
        "<a " + repeated("x1 ", 300'000) + ">end", repeated("</x>", 300'000) + "end",
        repeated("<ul><li>", 50'000) + "end", repeated("<a href=x><p>", 50'000) + "end",
        repeated("<select><option>", 50'000) + "</select>end", repeated("&amp", 500'000) + "end",
        repeated("<font color=1><font color=2><p>x", 20'000) + "end"}) {
    const auto document = read_html(
        page, {.html_memory_bytes_max = 256U << 20, .html_timeout = std::chrono::seconds(2)});
    CAPTURE(page.substr(0, 40));
    if (document) {
      CHECK(document->text.find("end") != std::string::npos);
    } else {
      CHECK((document.error().code == ErrorCode::kResourceExhausted ||
             document.error().code == ErrorCode::kDeadlineExceeded));
    }
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
}

TEST_CASE("the parser's memory and time are bounded") {
  const std::string page = repeated("<p class=x>words</p>", 50'000);
  CHECK(read_html(page, {.html_memory_bytes_max = 1U << 20}).error().code ==
        ErrorCode::kResourceExhausted);
  CHECK(read_html(page, {.html_timeout = std::chrono::milliseconds(0)}).error().code ==
        ErrorCode::kDeadlineExceeded);
}

TEST_CASE("a PDF's text comes in reading order, with its title") {
  if (!have_pdftotext()) return;
  const auto document = read_document("a.pdf", sample("articles/agents-with-budgets.pdf"));
  REQUIRE(document);
  CHECK(document->title == "Agents that keep their budget");
  CHECK(document->format == "pdf");
  CHECK_FALSE(document->offsets_in_source);
  CHECK(document->text.starts_with("Agents that keep their budget\nWhy a budget\nAn agent is a "));
  CHECK(document->text.ends_with("let the model guess.\n"));
  CHECK(document->text.find('\f') == std::string::npos);
  CHECK(is_valid_utf8(document->text));
}

TEST_CASE("a PDF that can't be read says why") {
  CHECK(read_pdf("no pdf at all", {}).error().code == ErrorCode::kCorrupt);
  const std::string good = sample("articles/agents-with-budgets.pdf");
  const auto missing = read_pdf(good, {.pdftotext = "no-such-pdftotext"});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().message.find("apt-get install poppler-utils") != std::string::npos);
  if (!have_pdftotext()) return;
  CHECK(read_pdf("%PDF-1.4\nbroken", {}).error().code == ErrorCode::kCorrupt);
  const auto picture = read_pdf(kPdfWithoutText, {});
  REQUIRE_FALSE(picture);
  CHECK(picture.error().code == ErrorCode::kUnsupported);
  CHECK(picture.error().message.find("no text layer, needs OCR") != std::string::npos);
  const auto starved = read_pdf(good, {.pdf_memory_bytes_max = 4U << 20});
  REQUIRE_FALSE(starved);
}

TEST_CASE("a PDF program that hangs or floods is ended") {
  const auto script = std::filesystem::path(WEFT_BINARY_DIR) / "hanging-pdftotext";
  const auto run = [&](std::string_view body, std::chrono::milliseconds timeout) {
    std::ofstream(script) << "#!/bin/sh\n" << body << "\n";
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    return read_pdf("%PDF-1.4\n", {.pdftotext = script.string(), .pdf_timeout = timeout});
  };
  CHECK(run("sleep 100", std::chrono::milliseconds(200)).error().code ==
        ErrorCode::kDeadlineExceeded);
  CHECK(run("yes", std::chrono::seconds(50)).error().code == ErrorCode::kResourceExhausted);
  const auto encrypted =
      run("echo 'Command Line Error: Incorrect password' >&2; exit 1", std::chrono::seconds(10));
  REQUIRE_FALSE(encrypted);
  CHECK(encrypted.error().message.find("encrypted") != std::string::npos);
  std::filesystem::remove(script);
}

}  // namespace weft::retrieval
