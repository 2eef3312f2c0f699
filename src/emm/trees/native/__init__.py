"""Readers of boosted trees in the file formats of LightGBM and XGBoost.

`load.load_native_trees` is the entry point. For each library one module checks and parses its
files, and one converts the trees to `emm.trees.forest.TreeEnsemble`.
"""
