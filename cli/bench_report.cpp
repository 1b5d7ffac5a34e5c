#include "cli/bench_report.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "cli/text.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.insert(0, width - text.size(), ' ');
  return text;
}

/// Three figures are as many as a measurement like this one has.
std::string speed(double tokens_per_s) {
  return fixed(tokens_per_s, tokens_per_s < 10 ? 2 : tokens_per_s < 100 ? 1 : 0);
}

std::string percent(const BenchFigure& figure) {
  return fixed(100 * figure.tokens_per_s / *figure.bound, 0) + " %";
}

std::string heading(const BenchReport& report) {
  // Of a path what tells models apart, which has room.
  return std::filesystem::path(report.model).filename().string() + ", " + report.level + ", " +
         std::to_string(report.threads) + (report.threads == 1 ? " thread" : " threads");
}

std::string sources(const BenchReport& report) {
  std::string text = "Bounds: memory read at " + fixed(report.read_gb_per_s, 1) + " GB/s";
  if (report.multiply_gmac_per_s) {
    text += ", " + fixed(*report.multiply_gmac_per_s, 0) + " billion multiply-adds/s";
  }
  return text + ", measured here.";
}

std::string escaped(std::string_view text) {
  std::string xml;
  for (const char c : printable(repair_utf8(text))) {
    switch (c) {
      case '<':
        xml += "&lt;";
        break;
      case '>':
        xml += "&gt;";
        break;
      case '&':
        xml += "&amp;";
        break;
      default:
        xml += c;
    }
  }
  return xml;
}

// The picture's measures, in pixels.
constexpr int kWidth = 760;
constexpr int kMargin = 24;
constexpr int kTop = 64;
constexpr int kRowHeight = 52;
constexpr int kBarHeight = 18;
constexpr int kBarLeft = 200;
constexpr int kBarWidth = kWidth - kBarLeft - kMargin;
constexpr int kBottom = 40;

std::string svg_text(int x, int y, std::string_view style, std::string_view text) {
  return "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" class=\"" +
         std::string(style) + "\">" + escaped(text) + "</text>\n";
}

std::string svg_bar(int y, double share, std::string_view style) {
  return "<rect x=\"" + std::to_string(kBarLeft) + "\" y=\"" + std::to_string(y) + "\" width=\"" +
         fixed(share * kBarWidth, 1) + "\" height=\"" + std::to_string(kBarHeight) +
         "\" rx=\"3\" class=\"" + std::string(style) + "\"/>\n";
}

std::string svg_row(const BenchFigure& figure, int y) {
  std::string row = svg_text(kMargin, y + 14, "name", figure.name) +
                    svg_text(kMargin, y + 31, "small", figure.what);
  std::string note = speed(figure.tokens_per_s) + " tokens/s";
  if (figure.bound) {
    row += svg_bar(y, 1, "bound");
    row += svg_bar(y, std::clamp(figure.tokens_per_s / *figure.bound, 0.0, 1.0), "value");
    note += ", " + percent(figure) + " of the " + speed(*figure.bound) + " that " +
            figure.bounded_by + (figure.bounded_by == "memory" ? " allows" : " allow");
  } else {
    note += "; what this level allows isn't known";
  }
  return row + svg_text(kBarLeft, y + 34, "small", note);
}

}  // namespace

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string bench_table(const BenchReport& report) {
  std::size_t widest = 0;
  for (const BenchFigure& figure : report.figures) widest = std::max(widest, figure.what.size());
  std::string table = heading(report) + ", medians of " + std::to_string(report.repeat) + "\n" +
                      std::string(9 + widest, ' ') + padded("tokens/s", 11) + padded("bound", 10) +
                      padded("share", 8) + "  bounded by\n";
  for (const BenchFigure& figure : report.figures) {
    std::string name = figure.name;
    name.resize(9, ' ');
    std::string what = figure.what;
    what.resize(widest, ' ');
    table += name + what + padded(speed(figure.tokens_per_s), 11);
    if (figure.bound) {
      table +=
          padded(speed(*figure.bound), 10) + padded(percent(figure), 8) + "  " + figure.bounded_by;
    }
    table += "\n";
  }
  return table + sources(report) + "\n";
}

Json bench_json(const BenchReport& report) {
  Json json = {{"model", report.model},
               {"level", report.level},
               {"threads", report.threads},
               {"repeat", report.repeat}};
  Json bounds = {{"read_gb_per_s", report.read_gb_per_s}, {"multiply_gmac_per_s", nullptr}};
  if (report.multiply_gmac_per_s) bounds["multiply_gmac_per_s"] = *report.multiply_gmac_per_s;
  for (const BenchFigure& figure : report.figures) {
    const std::string key = figure.name + "_tokens_per_s";
    json[key] = figure.tokens_per_s;
    bounds[key] = figure.bound ? Json(*figure.bound) : Json(nullptr);
  }
  json["bounds"] = std::move(bounds);
  return json;
}

std::string bench_svg(const BenchReport& report) {
  const int rows = static_cast<int>(report.figures.size());
  const int height = kTop + rows * kRowHeight + kBottom;
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + std::to_string(kWidth) +
                    "\" height=\"" + std::to_string(height) + "\" viewBox=\"0 0 " +
                    std::to_string(kWidth) + " " + std::to_string(height) + "\">\n" +
                    "<style>text{font-family:sans-serif;fill:#222}.title{font-size:17px;"
                    "font-weight:bold}.name{font-size:14px;font-weight:bold}.small{font-size:12px;"
                    "fill:#555}.bound{fill:#e4e7ec}.value{fill:#2f6db5}</style>\n"
                    "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n" +
                    svg_text(kMargin, 34, "title", heading(report));
  for (int i = 0; i < rows; ++i) {
    svg += svg_row(report.figures[static_cast<std::size_t>(i)], kTop + i * kRowHeight);
  }
  return svg + svg_text(kMargin, height - 16, "small", sources(report)) + "</svg>\n";
}

}  // namespace weft::cli
