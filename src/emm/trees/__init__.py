"""Boosted trees: training, and readers of files that LightGBM and XGBoost saved."""
