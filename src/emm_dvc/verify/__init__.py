"""Check the bytes in the workspace, the cache and a remote against the hashes in dvc.lock."""
