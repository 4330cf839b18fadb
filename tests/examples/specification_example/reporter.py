# SPDX-License-Identifier: Apache-2.0
import metrics
metrics.enable_reporting()
