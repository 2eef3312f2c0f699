"""Readers of boosted trees in the file formats of LightGBM and XGBoost.

`load` is the entry point: `formats` says what a file is, one module for each library checks and
parses it into `nodes.NativeTrees`, trees over the file's own features, and `processed` makes a
`emm.trees.forest.TreeEnsemble` of trees that were trained on the processed columns.
"""
