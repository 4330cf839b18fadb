// SPDX-License-Identifier: Apache-2.0
// Writes families in the text formats that Prometheus and compatible systems scrape.
#pragma once

#include <cstdint>
#include <string_view>

#include "encode/catalogue.hpp"
#include "encode/sink.hpp"
#include "sluice/encode/exposition.hpp"

namespace sluice::inline v0_1::encode {

/// Writes families and their samples; options and sink must outlive it.
class ExpositionWriter final : public Visitor {
 public:
  ExpositionWriter(const ExpositionOptions& options, const SchemaInfo* schema, Sink& sink)
      : options_(options), prefix_(prefix_of(options.prefix, schema)), schema_(schema), sink_(sink) {}

  void begin(const Family& family, const Interval& interval) override;
  /// Goes on with a family that was begun before.
  void resume(const Family& family, const Interval& interval) {
    family_ = &family;
    interval_ = interval;
  }
  /// Puts the name of a family as it is written.
  void put_family_name(const Family& family, Sink& to) const;
  void point(const Key& key, const Amount& amount) override;
  void number(const Key& key, double value) override;
  void histogram(const Key& key, const HistogramView& view, const Exemplars& exemplars) override;
  void end() override {}

 private:
  [[nodiscard]] bool open_metrics() const { return options_.format == Format::kOpenMetrics; }

  void name() { put_family_name(*family_, sink_); }
  void comment(std::string_view what, bool with_total);
  void label(std::string_view key, std::string_view value);
  void sample(std::string_view suffix, const Key& key) {
    start_sample(suffix, key);
    end_labels();
  }
  void bucket(const Key& key, const std::uint64_t* upper, unsigned decimals);
  void start_sample(std::string_view suffix, const Key& key);
  void end_labels();
  void exemplar(const Exemplar& exemplar, unsigned decimals);
  void created(const Key& key);

  const ExpositionOptions& options_;
  std::string_view prefix_;
  const SchemaInfo* schema_;
  Sink& sink_;
  const Family* family_ = nullptr;
  Interval interval_{};
  char before_ = '{';  ///< Character that comes before the next label.
};

}  // namespace sluice::encode
