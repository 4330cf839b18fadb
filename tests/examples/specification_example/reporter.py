import metrics
metrics.enable_reporting()
