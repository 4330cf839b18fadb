// SPDX-License-Identifier: Apache-2.0
#include "sluice/encode/exposition.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "encode/catalogue.hpp"
#include "encode/exposition_writer.hpp"

namespace sluice::encode {

Encoded exposition(const Source& source, const ExpositionOptions& options, std::span<char> out) noexcept {
  Sink sink(out);
  ExpositionWriter writer(options, schema_of(source), sink);
  visit(source, options.histograms.fields, writer);
  if (options.format == Format::kOpenMetrics) sink.put("# EOF\n");
  return sink.done();
}

namespace {

/// Writes the families of one part that no part before had, each with the samples of all parts.
class Merged final : public Visitor {
 public:
  /// A family as it is written.
  struct Named {
    std::string name;
    Kind kind;
  };

  Merged(std::span<const Part> parts, Format format, std::vector<Named>& written, Sink& sink)
      : parts_(parts), format_(format), written_(written), sink_(sink) {}

  /// Begins with the first of the parts.
  void visit_first() {
    const ExpositionOptions options = options_of(parts_.front());
    ExpositionWriter writer(options, schema_of(parts_.front().source), sink_);
    writer_ = &writer;
    visit(parts_.front().source, parts_.front().histograms.fields, *this);
  }

  void begin(const Family& family, const Interval& interval) override {
    Named named = named_of(*writer_, family);
    const auto known = [&](const Named& other) { return other.name == named.name; };
    is_new_ = std::none_of(written_.begin(), written_.end(), known);
    if (!is_new_) return;
    written_.push_back(std::move(named));
    writer_->begin(family, interval);
  }
  void point(const Key& key, const Amount& amount) override {
    if (is_new_) writer_->point(key, amount);
  }
  void number(const Key& key, double value) override {
    if (is_new_) writer_->number(key, value);
  }
  void histogram(const Key& key, const HistogramView& view) override {
    if (is_new_) writer_->histogram(key, view);
  }
  void end() override {
    if (!is_new_) return;
    for (const Part& part : parts_.subspan(1)) add_samples_of(part);
  }

 private:
  /// Writes the samples of one family of a part.
  class Samples final : public Visitor {
   public:
    Samples(const Named& wanted, ExpositionWriter& writer) : wanted_(wanted), writer_(writer) {}

    void begin(const Family& family, const Interval& interval) override {
      const Named named = named_of(writer_, family);
      is_wanted_ = named.name == wanted_.name && named.kind == wanted_.kind;
      if (is_wanted_) writer_.resume(family, interval);
    }
    void point(const Key& key, const Amount& amount) override {
      if (is_wanted_) writer_.point(key, amount);
    }
    void number(const Key& key, double value) override {
      if (is_wanted_) writer_.number(key, value);
    }
    void histogram(const Key& key, const HistogramView& view) override {
      if (is_wanted_) writer_.histogram(key, view);
    }
    void end() override {}

   private:
    const Named& wanted_;
    ExpositionWriter& writer_;
    bool is_wanted_ = false;
  };

  static Named named_of(const ExpositionWriter& writer, const Family& family) {
    Named named{.name = {}, .kind = family.kind};
    fill(named.name, [&](std::span<char> out) {
      Sink sink(out);
      writer.put_family_name(family, sink);
      return sink.done();
    });
    return named;
  }

  [[nodiscard]] ExpositionOptions options_of(const Part& part) const {
    return {.format = format_, .prefix = part.prefix, .labels = part.labels, .histograms = part.histograms};
  }

  void add_samples_of(const Part& part) {
    const ExpositionOptions options = options_of(part);
    ExpositionWriter writer(options, schema_of(part.source), sink_);
    Samples samples(written_.back(), writer);
    visit(part.source, part.histograms.fields, samples);
  }

  std::span<const Part> parts_;
  Format format_;
  std::vector<Named>& written_;
  Sink& sink_;
  ExpositionWriter* writer_ = nullptr;
  bool is_new_ = false;
};

}  // namespace

Encoded exposition(std::span<const Part> parts, Format format, std::span<char> out) {
  Sink sink(out);
  std::vector<Merged::Named> written;
  for (std::size_t i = 0; i < parts.size(); ++i) Merged(parts.subspan(i), format, written, sink).visit_first();
  if (format == Format::kOpenMetrics) sink.put("# EOF\n");
  return sink.done();
}

std::string_view content_type(Format format) noexcept {
  return format == Format::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                        : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace sluice::encode
