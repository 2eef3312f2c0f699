"""Record new hashes of code in dvc.lock where it is proven that results stay the same."""
