// SPDX-License-Identifier: Apache-2.0
// The words in which the fields of a schema are counted. Fields that every mode has come first, so that a mode uses a
// prefix of all words. In each such group the totals of histograms come first, in pairs on even words, because two are
// added by one instruction; then counters and classes, then buckets.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "sluice/detail/schema_names.hpp"
#include "sluice/schema.hpp"
#include "sluice/schema_info.hpp"
#include "sluice/units.hpp"

namespace sluice::inline v0_1::detail {

template <class T>
using SchemaType = std::remove_cvref_t<decltype(schema<T>)>;

template <class T, std::size_t kField>
using FieldType = std::tuple_element_t<kField, typename SchemaType<T>::Types>;

template <class Field>
inline constexpr bool kObserves = requires {
  requires std::same_as<typename Field::Source::Value, Observations>;
};

/// The layout of a schema.
template <class T>
struct SchemaLayout {
  static_assert(!std::is_same_v<SchemaType<T>, NoSchema>,
                "specialise sluice::schema<T> for the struct that the recorder records");
  static constexpr std::size_t kFields = SchemaType<T>::kSize;
  static_assert(kFields >= 1 && kFields <= 64, "a schema has from 1 to 64 fields");
  static_assert(std::is_trivially_copyable_v<T>, "the struct that a recorder records must be trivially copyable");
  static_assert(std::is_default_constructible_v<T>, "the struct that a recorder records needs a default constructor");

  template <std::size_t kField>
  static constexpr bool kIsOfStruct = [] {
    if constexpr (std::is_same_v<typename FieldType<T, kField>::Source, Elapsed>) {
      return true;
    } else {
      return std::is_base_of_v<typename FieldType<T, kField>::Source::Struct, T>;
    }
  }();
  static constexpr bool kMembersAreOfStruct = []<std::size_t... kI>(std::index_sequence<kI...>) {
    return (kIsOfStruct<kI> && ...);
  }
  (std::make_index_sequence<kFields>());
  static_assert(kMembersAreOfStruct, "the members of a schema are those of its struct");

  template <std::size_t kField>
  static constexpr const auto& field() noexcept {
    return schema<T>.template field<kField>();
  }

  /// The names of the classes of a field: decimal numbers unless it has others.
  template <std::size_t kField>
  static constexpr auto kClassNames = [] {
    auto names = field<kField>().classes_;
    const auto unnamed = [](std::string_view name) { return name.empty(); };
    if (!std::all_of(names.begin(), names.end(), unnamed)) return names;
    for (std::size_t i = 0; i < names.size(); ++i) names[i] = kDecimalNames<FieldType<T, kField>::kClasses>[i];
    return names;
  }();

  /// One constant expression a field, because compilers bound the work of each.
  template <std::size_t kField>
  static constexpr bool kClassesDiffer = classes_differ(field<kField>().classes_);
  static constexpr bool kAllClassesDiffer = []<std::size_t... kI>(std::index_sequence<kI...>) {
    return (kClassesDiffer<kI> && ...);
  }
  (std::make_index_sequence<kFields>());
  static_assert(kAllClassesDiffer, "each class of a field needs a name that no other class of the field has");

  /// The properties of a field that the layout depends on, without types.
  struct Shape {
    FieldKind kind;
    std::uint8_t modes;
    std::size_t classes;
    std::size_t buckets;
    std::size_t layout;  ///< First field with the same bucket layout; kFields: values are not found in pairs.
  };

  template <class Field>
  static constexpr std::size_t layout_of() noexcept {
    if constexpr (Field::kKind == FieldKind::kHistogram) {
      if constexpr (Field::Buckets::kPaired) return first_with<typename Field::Buckets>();
    }
    return kFields;
  }

  /// Returns the first field with these buckets.
  template <class Buckets>
  static constexpr std::size_t first_with() noexcept {
    std::size_t first = kFields;
    const auto look = [&first]<std::size_t kI>(std::integral_constant<std::size_t, kI>) {
      if (first == kFields && std::is_same_v<typename FieldType<T, kI>::Buckets, Buckets>) first = kI;
    };
    [&look]<std::size_t... kI>(std::index_sequence<kI...>) { (look(std::integral_constant<std::size_t, kI>()), ...); }
    (std::make_index_sequence<kFields>());
    return first;
  }

  static constexpr std::array<Shape, kFields> kShapes = []<std::size_t... kI>(std::index_sequence<kI...>) {
    return std::array<Shape, kFields>{Shape{FieldType<T, kI>::kKind, field<kI>().modes_, FieldType<T, kI>::kClasses,
                                            FieldType<T, kI>::Buckets::kSize, layout_of<FieldType<T, kI>>()}...};
  }
  (std::make_index_sequence<kFields>());

  /// A group of fields that exist in the same modes.
  struct ModeGroup {
    std::uint8_t modes = 0xFF;
    std::size_t first_pair = 0;                 ///< Its first pair of histograms in WordLayout::pair.
    std::size_t pairs = 0;                      ///< Number of its pairs.
    std::size_t singles = 0;                    ///< Number of other histograms.
    std::array<std::size_t, kFields> single{};  ///< Their fields.
    std::size_t sums_end = 0;
    std::size_t extremes_end = 0;
  };

  /// The words of a record: where the sums, buckets and extremes of each field are.
  struct WordLayout {
    std::size_t groups = 0;
    std::array<ModeGroup, kModes + 1> group{};
    std::size_t pairs = 0;                                             ///< Number of pairs of histograms.
    std::array<std::array<std::size_t, 2>, (kFields + 1) / 2> pair{};  ///< Fields of each pair.
    std::array<std::size_t, kFields> sum{};
    std::array<std::size_t, kFields> buckets_at{};
    std::array<std::size_t, kFields> extreme{};
    std::size_t sums = 0;
    std::size_t extremes = 0;
  };

  static constexpr WordLayout kLayout = [] {
    WordLayout layout;
    layout.groups = 1;
    for (const Shape& shape : kShapes) {
      std::size_t g = 0;
      while (g < layout.groups && layout.group[g].modes != shape.modes) ++g;
      if (g == layout.groups && g < layout.group.size()) layout.group[layout.groups++].modes = shape.modes;
    }
    std::size_t sum = 0;
    std::size_t extreme = 0;
    for (std::size_t g = 0; g < layout.groups; ++g) {
      ModeGroup& group = layout.group[g];
      group.first_pair = layout.pairs;
      sum = (sum + 1) / 2 * 2;
      // Pairs of neighbouring histograms with the same buckets.
      std::size_t open = kFields;
      for (std::size_t i = 0; i < kFields; ++i) {
        if (kShapes[i].modes != group.modes || kShapes[i].kind != FieldKind::kHistogram) continue;
        if (open != kFields && kShapes[i].layout != kFields && kShapes[i].layout == kShapes[open].layout) {
          layout.pair[layout.pairs++] = {open, i};
          ++group.pairs;
          layout.sum[open] = sum++;
          layout.sum[i] = sum++;
          open = kFields;
          continue;
        }
        if (open != kFields) group.single[group.singles++] = open;
        open = i;
      }
      if (open != kFields) group.single[group.singles++] = open;
      for (std::size_t i = 0; i < group.singles; ++i) layout.sum[group.single[i]] = sum++;
      for (std::size_t i = 0; i < kFields; ++i) {
        if (kShapes[i].modes != group.modes) continue;
        if (kShapes[i].kind == FieldKind::kCounter) layout.sum[i] = sum++;
        if (kShapes[i].kind != FieldKind::kClasses) continue;
        layout.sum[i] = sum;
        sum += kShapes[i].classes;
      }
      for (std::size_t i = 0; i < kFields; ++i) {
        if (kShapes[i].modes != group.modes) continue;
        if (kShapes[i].kind == FieldKind::kHistogram) {
          layout.buckets_at[i] = sum;
          sum += kShapes[i].buckets;
        }
        layout.extreme[i] = extreme;
        extreme += kShapes[i].kind == FieldKind::kHistogram ? 2U : kShapes[i].kind == FieldKind::kMaximum ? 1U : 0U;
      }
      group.sums_end = sum;
      group.extremes_end = extreme;
    }
    layout.sums = sum;
    layout.extremes = extreme;
    return layout;
  }();

  /// True if the member of a field says by kSinceBegin that the recorder measures it.
  template <std::size_t kField>
  static constexpr bool kMeasured = [] {
    using Type = FieldType<T, kField>;
    if constexpr (Type::kKind == FieldKind::kClasses || std::is_same_v<typename Type::Source, Elapsed> ||
                  kObserves<Type>) {
      return false;
    } else {
      using Value = typename Type::Source::Value;
      constexpr Value kDefault = T{}.*(field<kField>().source_.pointer);
      static_assert(std::is_same_v<Value, std::uint64_t> || std::is_same_v<Value, bool> ||
                        kDefault != static_cast<Value>(kSinceBegin),
                    "a member whose default is kSinceBegin must be a std::uint64_t");
      return std::is_same_v<Value, std::uint64_t> && std::uint64_t{kDefault} == kSinceBegin;
    }
  }();

  /// True for a histogram of the time from begin() to finish().
  template <std::size_t kField>
  static constexpr bool kMeasuredHistogram = FieldType<T, kField>::kKind == FieldKind::kHistogram &&
                                             (std::is_same_v<typename FieldType<T, kField>::Source, Elapsed> ||
                                              kMeasured<kField>);

  /// The first such field; kFields: there is none.
  static constexpr std::size_t kMeasuredField = []<std::size_t... kI>(std::index_sequence<kI...>) {
    const std::array<bool, kFields> is_measured{kMeasuredHistogram<kI>...};
    return static_cast<std::size_t>(std::find(is_measured.begin(), is_measured.end(), true) - is_measured.begin());
  }
  (std::make_index_sequence<kFields>());

  static constexpr std::size_t kSums = kLayout.sums;
  static constexpr std::size_t kExtremes = kLayout.extremes;
  static_assert(kSums + kExtremes <= kWordsMost, "a schema has at most 4096 words of counts");
  static_assert(kSums > 0, "a schema needs a field that is no maximum");

  static constexpr std::size_t kSlotFields = []<std::size_t... kI>(std::index_sequence<kI...>) {
    return (std::size_t{field<kI>().by_slot_} + ... + 0);
  }
  (std::make_index_sequence<kFields>());

  /// The properties of a field by which encoders tell it from others.
  struct Names : FamilyName {
    std::string_view label;
    std::string_view label_value;
    bool of_requests;  ///< Classes by which a mode counts requests, under the name of these.
    bool is_family;    ///< False for classes that no mode writes under their own name.
  };

  template <std::size_t kField>
  static constexpr Names names() noexcept {
    const auto& from = field<kField>();
    Names names{{from.name_, FieldType<T, kField>::kKind, from.unit_, {&from.label_value_, 1}},
                from.label_,
                from.label_value_,
                false,
                true};
    if (from.label_.empty()) names.values = {};
    if constexpr (FieldType<T, kField>::kKind == FieldKind::kClasses) {
      const auto modes_before = []<std::size_t... kI>(std::index_sequence<kI...>) {
        return (0U | ... | (FieldType<T, kI>::kKind == FieldKind::kClasses ? field<kI>().modes_ : 0U));
      }
      (std::make_index_sequence<kField>());
      names.values = kClassNames<kField>;
      names.of_requests = (from.modes_ & ~modes_before) != 0;
      names.is_family = (from.modes_ & modes_before) != 0;
    }
    return names;
  }

  static constexpr std::array<Names, kFields> kNames = []<std::size_t... kI>(std::index_sequence<kI...>) {
    return std::array<Names, kFields>{names<kI>()...};
  }
  (std::make_index_sequence<kFields>());

  /// Returns true if `holds(a, b)` for each two fields.
  template <class Holds>
  static constexpr bool for_each_pair(Holds&& holds) noexcept {
    for (std::size_t i = 0; i < kFields; ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        if (!holds(kNames[i], kNames[k])) return false;
      }
    }
    return true;
  }

  static constexpr bool kNamesDiffer = for_each_pair([](const Names& a, const Names& b) {
    return !written_alike(a.name, b.name) || (a.name == b.name && !values_alike(a.label_value, b.label_value));
  });
  static_assert(kNamesDiffer, "two fields of a schema have the same name");

  static constexpr bool kFamiliesAgree = for_each_pair([](const Names& a, const Names& b) {
    return a.name != b.name || (a.kind == b.kind && a.unit == b.unit && a.label == b.label && !a.label.empty());
  });
  static_assert(kFamiliesAgree, "two fields of one name need the same kind and unit, and a label of one name");

  static constexpr bool kSamplesDiffer = for_each_pair([](const Names& a, const Names& b) {
    return written_alike(a.name, b.name) || !a.is_family || !b.is_family || !clash(a, b);
  });
  static_assert(kSamplesDiffer,
                "a format writes two fields of a schema under one name, with a unit, a suffix or the value of a label");

  static constexpr bool kNamesAreFree = std::none_of(kNames.begin(), kNames.end(), [](const Names& names) {
    const auto is_taken = [&names](const FamilyName& other) { return clash(names, other); };
    if (std::any_of(kFamiliesOfAllSchemas.begin(), kFamiliesOfAllSchemas.end(), is_taken)) return true;
    const auto is_member = [&names](std::string_view member) { return written_alike(names.name, member); };
    if (names.unit == Unit::kNone && std::any_of(kMembersOfJson.begin(), kMembersOfJson.end(), is_member)) return true;
    const FamilyName requests{"requests", FieldKind::kCounter, Unit::kNone, names.values};
    return names.of_requests && std::any_of(kNames.begin(), kNames.end(), [&requests](const Names& other) {
             return other.is_family && clash(other, requests);
           });
  });
  static_assert(kNamesAreFree, "a field has the name of a family or member that encoders write for every schema");

  static constexpr bool kLabelsAreFree = std::none_of(kNames.begin(), kNames.end(), [](const Names& names) {
    const std::string_view label = names.kind == FieldKind::kClasses ? names.name : names.label;
    return std::any_of(kLabelsOfEncoders.begin(), kLabelsOfEncoders.end(),
                       [&](std::string_view other) { return written_alike(label, other); });
  });
  static_assert(kLabelsAreFree, "a label, or a field of classes, has the name of a label that encoders or formats use");

  static constexpr bool kModesExist =
      std::all_of(kShapes.begin(), kShapes.end(), [](const Shape& shape) { return shape.modes != 0; });
  static_assert(kModesExist, "a mode is a number from 0 to 7");

  static constexpr bool kNamesAreValid =
      std::all_of(kNames.begin(), kNames.end(), [](const Names& names) { return is_valid_name(names.name); });
  static_assert(kNamesAreValid, "names of fields have lower-case letters, digits, underscores and dots alone");
};

/// The tables that a SchemaInfo refers to.
template <class T>
struct SchemaTables {
  using Layout = SchemaLayout<T>;

  template <std::size_t kI>
  static constexpr FieldInfo field() noexcept {
    using Type = FieldType<T, kI>;
    const auto& from = Layout::template field<kI>();
    FieldInfo info{.name = from.name_,
                   .help = from.help_,
                   .thing = from.thing_,
                   .label = from.label_,
                   .label_value = from.label_value_,
                   .classes = Layout::template kClassNames<kI>,
                   .kind = Type::kKind,
                   .unit = from.unit_,
                   .modes = from.modes_,
                   .otel_bounds = from.otel_bounds_,
                   .of_observations = kObserves<Type>,
                   .sum = static_cast<std::uint16_t>(Layout::kLayout.sum[kI]),
                   .buckets_at = static_cast<std::uint16_t>(Layout::kLayout.buckets_at[kI]),
                   .extreme = static_cast<std::uint16_t>(Layout::kLayout.extreme[kI])};
    if constexpr (Type::kKind == FieldKind::kHistogram) info.buckets = &Type::Buckets::kInfo;
    return info;
  }

  static constexpr std::array<FieldInfo, Layout::kFields> kFields = []<std::size_t... kI>(std::index_sequence<kI...>) {
    return std::array<FieldInfo, Layout::kFields>{field<kI>()...};
  }
  (std::make_index_sequence<Layout::kFields>());

  static constexpr std::array<SlotField, Layout::kSlotFields> kSlotFields =
      []<std::size_t... kI>(std::index_sequence<kI...>) {
    std::array<SlotField, Layout::kSlotFields> slot_fields{};
    std::size_t used = 0;
    const auto add = [&](std::size_t i, bool by_slot) {
      if (!by_slot) return;
      const bool extreme = kFields[i].kind == FieldKind::kMaximum;
      slot_fields[used++] = {static_cast<std::uint16_t>(i), extreme ? kFields[i].extreme : kFields[i].sum, extreme};
    };
    (add(kI, Layout::template field<kI>().by_slot_), ...);
    return slot_fields;
  }
  (std::make_index_sequence<Layout::kFields>());

  /// FNV-1a over all that decides where a number lies and what it means.
  static constexpr std::uint64_t hash() noexcept {
    std::uint64_t hash = 0xCBF29CE484222325U;
    const auto mix = [&hash](std::uint64_t number) { hash = (hash ^ number) * 0x100000001B3U; };
    for (const FieldInfo& info : kFields) {
      for (const char byte : info.name) mix(static_cast<unsigned char>(byte));
      for (const char byte : info.label_value) mix(static_cast<unsigned char>(byte));
      for (const std::uint64_t number :
           {std::uint64_t{info.sum}, std::uint64_t{info.buckets_at}, std::uint64_t{info.extreme},
            static_cast<std::uint64_t>(info.kind), static_cast<std::uint64_t>(info.unit), std::uint64_t{info.modes},
            std::uint64_t{info.classes.size()}}) {
        mix(number);
      }
      // Not a comparison with null: with sanitizers that is no constant expression.
      if (info.kind != FieldKind::kHistogram) continue;
      for (const std::uint64_t bound : info.buckets->bounds) mix(bound);
    }
    return hash;
  }

  static constexpr SchemaInfo info() noexcept {
    SchemaInfo info{.fields = kFields,
                    .slot_fields = kSlotFields,
                    .prefix = schema<T>.prefix_,
                    .modes = schema<T>.modes_,
                    .sums = static_cast<std::uint16_t>(Layout::kSums),
                    .extremes = static_cast<std::uint16_t>(Layout::kExtremes),
                    .hash = hash()};
    if (Layout::kMeasuredField != Layout::kFields)
      info.measured_field = static_cast<std::uint16_t>(Layout::kMeasuredField);
    for (std::size_t mode = 0; mode < kModes; ++mode) {
      for (std::size_t g = 0; g < Layout::kLayout.groups; ++g) {
        const auto& group = Layout::kLayout.group[g];
        if ((group.modes >> mode & 1U) == 0) continue;
        info.sums_in[mode] = static_cast<std::uint16_t>(group.sums_end);
        info.extremes_in[mode] = static_cast<std::uint16_t>(group.extremes_end);
      }
    }
    return info;
  }
};

}  // namespace sluice::detail

namespace sluice::inline v0_1 {

/// \addtogroup read_api
/// @{

/// The schema of a struct, as readers and encoders know it.
template <class T>
inline constexpr SchemaInfo schema_info = detail::SchemaTables<T>::info();

/// @}

namespace detail {

template <class Pointer>
struct ClassOfMember;
template <class T, class M>
struct ClassOfMember<M T::*> {
  using Type = T;
};

/// Returns true if the schema has a field that exemplars are of.
template <class T>
constexpr bool has_exemplars() noexcept {
  return SchemaLayout<T>::kMeasuredField != SchemaLayout<T>::kFields;
}

/// Returns the value of SchemaInfo::measured_field of a request in nanoseconds.
template <class T>
constexpr std::uint64_t measured_ns(const T& done, std::uint64_t elapsed_ns) noexcept {
  using Layout = SchemaLayout<T>;
  static_assert(has_exemplars<T>());
  if constexpr (std::is_same_v<typename FieldType<T, Layout::kMeasuredField>::Source, Elapsed>) {
    return elapsed_ns;
  } else {
    constexpr auto& kFrom = Layout::template field<Layout::kMeasuredField>();
    constexpr std::uint64_t kUnitNs = kFrom.source_unit_ == Unit::kMicroseconds ? kNsPerUs : 1;
    const std::uint64_t duration = done.*(kFrom.source_.pointer);
    return duration == kSinceBegin ? elapsed_ns : std::min(duration, UINT64_MAX / kUnitNs) * kUnitNs;
  }
}

/// Returns true if the field records the member.
template <class T, std::size_t kField, auto kMember>
constexpr bool records() noexcept {
  using Source = typename FieldType<T, kField>::Source;
  if constexpr (!std::is_same_v<Source, Elapsed>) {
    if constexpr (std::is_same_v<decltype(Source::pointer), std::remove_const_t<decltype(kMember)>>) {
      return SchemaLayout<T>::template field<kField>().source_.pointer == kMember;
    }
  }
  return false;
}

/// Returns the fields of a member, one bit each.
template <auto kMember>
constexpr std::uint64_t fields_of() noexcept {
  using T = typename ClassOfMember<decltype(kMember)>::Type;
  std::uint64_t fields = 0;
  const auto look = [&]<std::size_t kI>(std::integral_constant<std::size_t, kI>) {
    if (records<T, kI, kMember>()) fields |= std::uint64_t{1} << kI;
  };
  [&]<std::size_t... kI>(std::index_sequence<kI...>) { (look(std::integral_constant<std::size_t, kI>()), ...); }
  (std::make_index_sequence<SchemaLayout<T>::kFields>());
  return fields;
}

/// Returns the first field of a member; the number of fields if there is none.
template <auto kMember>
constexpr std::size_t field_of() noexcept {
  const std::uint64_t fields = fields_of<kMember>();
  using T = typename ClassOfMember<decltype(kMember)>::Type;
  return fields == 0 ? SchemaLayout<T>::kFields : static_cast<std::size_t>(std::countr_zero(fields));
}

/// Returns the field of a name; the number of fields if there is none.
template <class T>
constexpr std::size_t field_named(std::string_view name) noexcept {
  std::size_t i = 0;
  while (i < SchemaTables<T>::kFields.size() && SchemaTables<T>::kFields[i].name != name) ++i;
  return i;
}

}  // namespace detail

}  // namespace sluice
