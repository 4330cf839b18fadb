// SPDX-License-Identifier: Apache-2.0
#include "sluice/encode/exposition.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "encode/exposition_writer.hpp"
#include "encode/family_names.hpp"
#include "encode/source.hpp"

namespace sluice::inline v0_1::encode {

Encoded exposition(const Source& source, const ExpositionOptions& options, std::span<char> out) noexcept {
  Sink sink(out);
  ExpositionWriter writer(options, schema_of(source), sink);
  visit(source, prefix_of(options.prefix, schema_of(source)), options.histograms.fields, writer);
  if (options.format == Format::kOpenMetrics) sink.put("# EOF\n");
  return sink.done();
}

namespace {

/// Collects the families of several parts, each with the samples of all parts. Reads each part once, or again if its
/// text is longer than that of any part before.
class Merged final : public Visitor {
 public:
  explicit Merged(Format format) : format_(format) { text_.reserve(kFirstText); }

  void add(const Part& part) {
    const ExpositionOptions options{
        .format = format_, .prefix = part.prefix, .labels = part.labels, .histograms = part.histograms};
    known_ = families_.size();
    fill(text_, [&](std::span<char> out) {
      forget_new_families();
      Sink sink(out);
      ExpositionWriter writer(options, schema_of(part.source), sink);
      sink_ = &sink;
      writer_ = &writer;
      visit(part.source, prefix_of(part.prefix, schema_of(part.source)), part.histograms.fields, *this);
      return sink.done();
    });
    for (const Piece& piece : pieces_) families_[piece.family].text.append(text_, piece.begin, piece.size);
  }

  void write(Sink& sink) const {
    for (const Collected& family : families_) sink.put(family.text);
  }

  void begin(const Family& family, const Interval& interval) override {
    const std::string name = name_of(family);
    const auto owner = owners_.find(name);
    const bool is_new = owner == owners_.end();
    const std::size_t place = is_new ? families_.size() : owner->second;
    // A family with a name of its own is of the process, of which each part would say the same.
    const bool of_process = !family.prometheus.empty();
    is_written_ = is_new ? add_family(name, family.kind) : !of_process && takes_more(place, name, family.kind);
    if (!is_written_) return;
    pieces_.push_back({.family = place, .begin = sink_->size(), .size = 0});
    if (is_new) {
      writer_->begin(family, interval);
    } else {
      writer_->resume(family, interval);
    }
  }
  void point(const Key& key, const Amount& amount) override {
    if (is_written_) writer_->point(key, amount);
  }
  void number(const Key& key, double value) override {
    if (is_written_) writer_->number(key, value);
  }
  void histogram(const Key& key, const HistogramView& view, const Exemplars& exemplars) override {
    if (is_written_) writer_->histogram(key, view, exemplars);
  }
  void end() override {
    if (is_written_) pieces_.back().size = sink_->size() - pieces_.back().begin;
  }

 private:
  static constexpr std::size_t kFirstText = 16'384;  ///< Longer than the text of most parts.

  /// A family with the samples of all parts so far.
  struct Collected {
    std::string name;
    Kind kind;
    std::string text;
  };

  /// The place of a family in the text of a part.
  struct Piece {
    std::size_t family;
    std::size_t begin;
    std::size_t size;
  };

  /// Adds a family, unless one of its samples has the name of another family or of one of its samples.
  bool add_family(const std::string& name, Kind kind) {
    const auto suffixes = suffixes_of(kind);
    const auto is_taken = [&](std::string_view suffix) { return owners_.contains(name + std::string(suffix)); };
    if (std::any_of(suffixes.begin(), suffixes.end(), is_taken)) return false;
    for (const std::string_view suffix : suffixes) owners_.emplace(name + std::string(suffix), families_.size());
    families_.push_back({.name = name, .kind = kind, .text = {}});
    return true;
  }

  /// Returns true if a family takes samples of this part. A part has its own families once, and takes part in those of
  /// parts before.
  [[nodiscard]] bool takes_more(std::size_t place, const std::string& name, Kind kind) const {
    return place < known_ && families_[place].name == name && families_[place].kind == kind;
  }

  /// Forgets what an encoding of the part began that did not fit.
  void forget_new_families() {
    for (; families_.size() > known_; families_.pop_back()) {
      const Collected& family = families_.back();
      for (const std::string_view suffix : suffixes_of(family.kind)) owners_.erase(family.name + std::string(suffix));
    }
    pieces_.clear();
  }

  [[nodiscard]] std::string name_of(const Family& family) const {
    std::string name;
    fill(name, [&](std::span<char> out) {
      Sink sink(out);
      writer_->put_family_name(family, sink);
      return sink.done();
    });
    return name;
  }

  Format format_;
  std::vector<Collected> families_;
  std::unordered_map<std::string, std::size_t> owners_;  ///< The family that has a name, or a sample of that name.
  std::size_t known_ = 0;                                ///< Number of families of the parts before.
  std::string text_;                                     ///< Text of the part that is being added.
  std::vector<Piece> pieces_;
  Sink* sink_ = nullptr;
  ExpositionWriter* writer_ = nullptr;
  bool is_written_ = false;
};

}  // namespace

Encoded exposition(std::span<const Part> parts, Format format, std::span<char> out) {
  Merged merged(format);
  for (const Part& part : parts) merged.add(part);
  Sink sink(out);
  merged.write(sink);
  if (format == Format::kOpenMetrics) sink.put("# EOF\n");
  return sink.done();
}

std::string_view content_type(Format format) noexcept {
  return format == Format::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                        : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace sluice::encode
