"""The page of the regimes and its figures, from the files of results."""
