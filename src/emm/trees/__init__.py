"""Boosted trees: training by three libraries, and readers of LightGBM and XGBoost files."""
