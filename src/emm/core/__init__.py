"""The ground floor: errors, files, progress, commands, paths, and binding of YAML to code."""
