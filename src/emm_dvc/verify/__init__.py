"""Whether the bytes in the workspace, the cache and a remote are those that dvc.lock names."""
