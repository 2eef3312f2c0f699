"""Boosted trees: training, and readers of the files of LightGBM and XGBoost."""
