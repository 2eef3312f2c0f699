"""Building blocks that know no data and no models: errors, files, locks, paths, progress."""
