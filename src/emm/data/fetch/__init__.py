"""Raw files: downloaded or taken from local files, found in archives, and checked."""
