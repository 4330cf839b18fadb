// SPDX-License-Identifier: Apache-2.0
// The settings that can differ between the interpreters of a process, and how those of an application group are found.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace sluice::wsgi {

/// Settings for the interpreters that a part of the configuration selects. What is absent is left to less specific
/// rules.
struct InterpreterRule {
  std::optional<std::string> application_group;  ///< Absent: all of the process.
  int specificity = 0;                           ///< Number of selectors; a rule with more of them has precedence.
  std::optional<bool> own_gil;
  std::optional<double> switch_interval;  ///< Seconds.
  std::vector<std::string> python_path;
  std::optional<bool> restrict_stdin;
  std::optional<bool> restrict_stdout;
  std::optional<bool> restrict_signal;
};

/// The settings of one interpreter.
struct InterpreterSettings {
  bool own_gil = false;
  double switch_interval = 0.0;          ///< Seconds; 0 when none is configured.
  bool interval_is_of_group = false;     ///< True if the interval was set only for the application group.
  std::vector<std::string> python_path;  ///< Directories for the front of sys.path, the most specific ones first.
  bool restrict_stdin = false;           ///< Use of sys.stdin raises OSError.
  bool restrict_stdout = false;          ///< Use of sys.stdout raises OSError.
  bool restrict_signal = true;           ///< The application cannot handle signals.
};

class InterpreterRules {
 public:
  InterpreterRules() = default;

  /// `base` applies where no rule does. The main interpreter never has a GIL of its own, because it is the first.
  InterpreterRules(InterpreterSettings base, std::vector<InterpreterRule> rules)
      : base_(std::move(base)), rules_(std::move(rules)) {
    std::stable_sort(rules_.begin(), rules_.end(), [](const InterpreterRule& left, const InterpreterRule& right) {
      return left.specificity < right.specificity;
    });
  }

  /// Returns the settings of an application group; later rules replace earlier ones that are no more specific.
  [[nodiscard]] InterpreterSettings settings_of(const std::string& application_group) const {
    InterpreterSettings settings = base_;
    for (const InterpreterRule& rule : rules_) {
      if (rule.application_group && *rule.application_group != application_group) continue;
      settings.own_gil = rule.own_gil.value_or(settings.own_gil);
      settings.restrict_stdin = rule.restrict_stdin.value_or(settings.restrict_stdin);
      settings.restrict_stdout = rule.restrict_stdout.value_or(settings.restrict_stdout);
      settings.restrict_signal = rule.restrict_signal.value_or(settings.restrict_signal);
      if (rule.switch_interval) {
        settings.switch_interval = *rule.switch_interval;
        settings.interval_is_of_group = rule.application_group.has_value();
      }
      settings.python_path.insert(settings.python_path.begin(), rule.python_path.begin(), rule.python_path.end());
    }
    return settings;
  }

  /// Returns true when some interpreter may have a GIL of its own.
  [[nodiscard]] bool any_own_gil() const noexcept {
    return base_.own_gil || std::any_of(rules_.begin(), rules_.end(),
                                        [](const InterpreterRule& rule) { return rule.own_gil.value_or(false); });
  }

 private:
  InterpreterSettings base_;
  std::vector<InterpreterRule> rules_;
};

}  // namespace sluice::wsgi
